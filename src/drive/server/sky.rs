//! CARLA's weather as a sky of the embedded world.
//!
//! *In*: percentages and the sun's altitude, degrees. *Out*: hour, clouds, rain, visibility. Fog of density `d` percent is taken as a
//! visibility of `10 km / (1 + (d / 4)^2)`: 8 km at 2, 175 m at 30, 16 m at 100. *Invariant*: every finite weather gives a sky that the world takes.

use crate::carla::WeatherParameters;
use crate::world::model::Sky;

/// Latitude and declination of the world's sun, degrees.
const SUN: [f64; 2] = [48.0, 8.0];

/// The morning hour at which the sun stands so high, or as near as it comes.
fn hour(altitude: f64) -> f64 {
    let [latitude, declination] = SUN.map(f64::to_radians);
    let wanted = altitude.to_radians().sin();
    let turn = (wanted - latitude.sin() * declination.sin()) / (latitude.cos() * declination.cos());
    12.0 - turn.clamp(-1.0, 1.0).acos().to_degrees() / 15.0
}

/// The sky of a weather.
pub(crate) fn sky(weather: &WeatherParameters) -> Sky {
    let share = |v: f32| if v.is_finite() { f64::from(v / 100.0).clamp(0.0, 1.0) } else { 0.0 };
    let altitude = if weather.sun_altitude_angle.is_finite() { f64::from(weather.sun_altitude_angle).clamp(-90.0, 90.0) } else { 45.0 };
    let fog = share(weather.fog_density) * 100.0;
    let visibility = if fog < 0.5 { 20_000.0 } else { 10_000.0 / (1.0 + (fog / 4.0).powi(2)) };
    Sky { hour: hour(altitude), clouds: share(weather.cloudiness), rain: share(weather.precipitation), visibility, ..Sky::default() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sun_stands_where_the_weather_puts_it() {
        assert!((hour(90.0) - 12.0).abs() < 1e-9, "as high as it comes");
        assert!(hour(-90.0) < 1.0 && hour(0.0) > 4.0 && hour(0.0) < 6.5);
        assert!(hour(30.0) > hour(10.0));
        let odd = WeatherParameters { fog_density: f32::NAN, sun_altitude_angle: f32::INFINITY, precipitation: 1e9, ..Default::default() };
        let sky = sky(&odd);
        assert!(sky.rain <= 1.0 && sky.visibility > 0.0 && (0.0..=24.0).contains(&sky.hour));
    }
}
