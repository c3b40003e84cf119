//! The records of the v1.0 tables.
//!
//! *In*: one JSON object. *Out*: a record. *Invariant*: a required field that is missing, of another kind or length is an error
//! that names it. Times are microseconds, lengths metres, quaternions w, x, y, z (sensor or box to parent).

use super::Token;
use super::json::{Json, Parsed, Wrong, WrongKind};
use crate::types::num;

/// A record of any table: what identifies it.
pub trait Record: Sized + Send {
    /// The table's file name without `.json`.
    const TABLE: &'static str;
    /// Its key.
    fn token(&self) -> &Token;
    /// From its JSON object.
    ///
    /// # Errors
    /// Where the text is no object, or a field is missing, of another kind or length.
    fn read(json: &mut Json<'_>) -> Parsed<Self>;
}

/// What a field of a record can hold.
trait Field: Sized {
    fn read(json: &mut Json<'_>) -> Parsed<Self>;
    /// What stands for a field that is not there.
    fn absent() -> Option<Self> {
        None
    }
}

macro_rules! fields {
    ($($kind:ty => $read:expr;)*) => {$(
        impl Field for $kind {
            fn read(json: &mut Json<'_>) -> Parsed<Self> {
                let read: fn(&mut Json<'_>) -> Parsed<Self> = $read;
                read(json)
            }
        }
    )*};
}
fields! {
    Token => Token::read;
    Box<str> => |json| json.text().map(|t| t.as_ref().into());
    i64 => |json| json.integer();
    bool => |json| json.boolean();
    [f64; 3] => |json| json.numbers();
    [f64; 4] => |json| json.numbers();
    Vec<Token> => |json| {
        let mut tokens = Vec::new();
        json.list(|j| Token::read(j).map(|t| tokens.push(t)))?;
        Ok(tokens)
    };
    Option<[[f64; 3]; 3]> => |json| {
        let (mut rows, begin) = (Vec::new(), json.clone());
        json.list(|j| j.numbers().map(|row| rows.push(row)))?;
        match rows.as_slice() {
            [] => Ok(None),
            &[a, b, c] => Ok(Some([a, b, c])),
            _ => Err(begin.wrong(WrongKind::Length, "a 3x3 matrix or an empty list")),
        }
    };
}
impl Field for Option<i64> {
    fn read(json: &mut Json<'_>) -> Parsed<Self> {
        if json.null() { Ok(None) } else { json.integer().map(Some) }
    }
    fn absent() -> Option<Self> {
        Some(None)
    }
}
impl Field for Option<Box<str>> {
    fn read(json: &mut Json<'_>) -> Parsed<Self> {
        if json.null() { Ok(None) } else { Field::read(json).map(Some) }
    }
    fn absent() -> Option<Self> {
        Some(None)
    }
}

/// The error with the name of its field.
fn named(mut wrong: Box<Wrong>, field: &'static str) -> Box<Wrong> {
    if wrong.field.is_empty() {
        wrong.field = field;
    }
    wrong
}

fn required<T: Field>(value: Option<T>, field: &'static str, json: &Json<'_>) -> Parsed<T> {
    value.or_else(T::absent).ok_or_else(|| {
        let mut wrong = json.wrong(WrongKind::Missing, &format!("a field `{field}`"));
        wrong.found = "none".to_owned();
        named(wrong, field)
    })
}

/// A time: whole microseconds, or a number with a fraction as Lyft's tables have it, rounded.
fn micros(json: &mut Json<'_>) -> Parsed<i64> {
    json.integer().or_else(|wrong| json.number().ok().filter(|n| n.abs() < 9.0e15).map(num::round_i64).ok_or(wrong))
}

macro_rules! reader {
    () => {
        Field::read
    };
    ($reader:ident) => {
        $reader
    };
}
macro_rules! records {
    ($($(#[$doc:meta])* $name:ident in $table:literal {
        $($(#[$field_doc:meta])* $field:ident: $kind:ty $(=> $reader:ident)?,)*
    })*) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq)]
        pub struct $name {
            /// Key.
            pub token: Token,
            $($(#[$field_doc])* pub $field: $kind,)*
        }
        impl Record for $name {
            const TABLE: &'static str = $table;
            fn token(&self) -> &Token {
                &self.token
            }
            fn read(json: &mut Json<'_>) -> Parsed<Self> {
                let mut token: Option<Token> = None;
                $(let mut $field: Option<$kind> = None;)*
                json.object(|json, key| {
                    match key {
                        "token" => token = Some(Token::read(json).map_err(|w| named(w, "token"))?),
                        $(stringify!($field) => $field = Some(reader!($($reader)?)(json).map_err(|w| named(w, stringify!($field)))?),)*
                        _ => json.skip()?,
                    }
                    Ok(())
                })?;
                Ok(Self { token: required(token, "token", json)?, $($field: required($field, stringify!($field), json)?,)* })
            }
        }
    )*};
}
records! {
    /// A kind of object.
    Category in "category" {
        /// `vehicle.car` and the like.
        name: Box<str>,
        /// Label of its points, where the root has point labels.
        index: Option<i64>,
    }
    /// A state of an object.
    Attribute in "attribute" {
        /// `vehicle.parked` and the like.
        name: Box<str>,
    }
    /// How much of an object the cameras see.
    Visibility in "visibility" {
        /// `v0-40` and the like.
        level: Box<str>,
    }
    /// An object of a scene, over time.
    Instance in "instance" {
        /// Its [`Category`].
        category_token: Token,
        /// How many annotations it has.
        nbr_annotations: i64,
        /// The earliest.
        first_annotation_token: Token,
        /// The latest.
        last_annotation_token: Token,
    }
    /// A kind of sensor at its place on the car.
    Sensor in "sensor" {
        /// `CAM_FRONT` and the like.
        channel: Box<str>,
        /// `camera`, `lidar` or `radar`.
        modality: Box<str>,
    }
    /// A sensor as it was mounted during one log.
    CalibratedSensor in "calibrated_sensor" {
        /// Its [`Sensor`].
        sensor_token: Token,
        /// Vehicle from sensor, metres.
        translation: [f64; 3],
        /// Vehicle from sensor.
        rotation: [f64; 4],
        /// Pinhole matrix; none for what is no camera.
        camera_intrinsic: Option<[[f64; 3]; 3]>,
    }
    /// World from vehicle at one time.
    EgoPose in "ego_pose" {
        /// Microseconds.
        timestamp: i64 => micros,
        /// Metres on the map.
        translation: [f64; 3],
        /// World from vehicle.
        rotation: [f64; 4],
    }
    /// A drive of one car.
    Log in "log" {
        /// Name of the drive.
        logfile: Box<str>,
        /// Name of the car.
        vehicle: Option<Box<str>>,
        /// Day of the drive.
        date_captured: Option<Box<str>>,
        /// Name of the map.
        location: Box<str>,
    }
    /// Twenty seconds of a drive.
    Scene in "scene" {
        /// `scene-0103` and the like.
        name: Box<str>,
        /// In words: weather, time of day, what happens.
        description: Option<Box<str>>,
        /// Its [`Log`].
        log_token: Token,
        /// How many samples it has.
        nbr_samples: i64,
        /// Its first [`Sample`].
        first_sample_token: Token,
        /// Its last [`Sample`].
        last_sample_token: Token,
    }
    /// A key moment, twice a second, at the LiDAR's time.
    Sample in "sample" {
        /// Microseconds.
        timestamp: i64 => micros,
        /// Its [`Scene`].
        scene_token: Token,
        /// The sample before, or "".
        prev: Token,
        /// The sample after, or "".
        next: Token,
    }
    /// One file of one sensor.
    SampleData in "sample_data" {
        /// The [`Sample`] it belongs to.
        sample_token: Token,
        /// Where the vehicle was: its [`EgoPose`].
        ego_pose_token: Token,
        /// Its [`CalibratedSensor`].
        calibrated_sensor_token: Token,
        /// Path below the root.
        filename: Box<str>,
        /// Columns; 0 for what is no picture.
        width: Option<i64>,
        /// Rows; 0 for what is no picture.
        height: Option<i64>,
        /// Microseconds.
        timestamp: i64 => micros,
        /// Whether it stands for its sample.
        is_key_frame: bool,
        /// The sensor's file before, or "".
        prev: Token,
        /// The sensor's file after, or "".
        next: Token,
    }
    /// A box around an object in a sample, in the world.
    SampleAnnotation in "sample_annotation" {
        /// Its [`Sample`].
        sample_token: Token,
        /// Its [`Instance`].
        instance_token: Token,
        /// Its [`Attribute`]s: none or one.
        attribute_tokens: Vec<Token>,
        /// Its [`Visibility`], or "".
        visibility_token: Token,
        /// Centre, metres on the map.
        translation: [f64; 3],
        /// Width, length, height, metres.
        size: [f64; 3],
        /// World from box.
        rotation: [f64; 4],
        /// LiDAR points inside.
        num_lidar_pts: i64,
        /// Radar returns inside.
        num_radar_pts: i64,
        /// The object's annotation before, or "".
        prev: Token,
        /// The object's annotation after, or "".
        next: Token,
    }
    /// A map picture and the logs it belongs to.
    Map in "map" {
        /// Its [`Log`]s.
        log_tokens: Vec<Token>,
        /// `semantic_prior`.
        category: Box<str>,
        /// Path below the root.
        filename: Box<str>,
    }
    /// Labels of the points of one LiDAR file: one byte a point.
    Lidarseg in "lidarseg" {
        /// Path below the root.
        filename: Box<str>,
        /// Its [`SampleData`].
        sample_data_token: Token,
    }
    /// Labels and objects of the points of one LiDAR file.
    Panoptic in "panoptic" {
        /// Path below the root.
        filename: Box<str>,
        /// Its [`SampleData`].
        sample_data_token: Token,
    }
}

/// The token of a record that could not be read; empty where that cannot be found either.
pub(super) fn token_of(bytes: &[u8]) -> String {
    let mut token = String::new();
    // What else is wrong with the record has been told.
    let _ = Json::new(bytes).object(|json, key| {
        if key == "token" {
            token = json.text()?.into_owned();
            Ok(())
        } else {
            json.skip()
        }
    });
    token
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_named_when_missing_or_of_another_kind() {
        let read = |text: &str| Sensor::read(&mut Json::new(text.as_bytes()));
        let good = read(r#"{"token": "a", "channel": "CAM_FRONT", "modality": "camera", "more": [1, {"x": null}]}"#).unwrap();
        assert_eq!(&*good.channel, "CAM_FRONT");
        let wrong = read(r#"{"token": "a", "channel": "CAM_FRONT"}"#).unwrap_err();
        assert_eq!((wrong.kind, wrong.field), (WrongKind::Missing, "modality"));
        let wrong = read(r#"{"token": "a", "channel": 3, "modality": "camera"}"#).unwrap_err();
        assert_eq!((wrong.kind, wrong.field), (WrongKind::Type, "channel"));
        assert_eq!(token_of(br#"{"x": 1, "token": "abc"}"#), "abc");
    }

    #[test]
    fn times_may_have_a_fraction_and_counts_may_not() {
        let pose = |time: &str| {
            let text = format!(r#"{{"token":"a","timestamp":{time},"rotation":[1,0,0,0],"translation":[1,2,3]}}"#);
            EgoPose::read(&mut Json::new(text.as_bytes())).map(|r| r.timestamp)
        };
        assert_eq!(pose("1557858039302414.8").unwrap(), 1_557_858_039_302_415);
        assert_eq!(pose("1557858039302414").unwrap(), 1_557_858_039_302_414);
        for wrong in ["\"1557858039302414\"", "1e300", "NaN", "null", "[1]"] {
            assert_eq!(pose(wrong).unwrap_err().field, "timestamp", "{wrong}");
        }
        let text = r#"{"token":"a","category_token":"b","nbr_annotations":1.5,"first_annotation_token":"","last_annotation_token":""}"#;
        assert_eq!(Instance::read(&mut Json::new(text.as_bytes())).unwrap_err().field, "nbr_annotations");
    }

    #[test]
    fn a_matrix_may_be_empty_but_not_of_two_rows() {
        let read = |m: &str| {
            let text = format!(r#"{{"token":"a","sensor_token":"b","translation":[1,2,3],"rotation":[1,0,0,0],"camera_intrinsic":{m}}}"#);
            CalibratedSensor::read(&mut Json::new(text.as_bytes())).map(|r| r.camera_intrinsic)
        };
        assert_eq!(read("[]").unwrap(), None);
        assert!(read("[[1,0,0],[0,1,0],[0,0,1]]").unwrap().is_some());
        assert_eq!(read("[[1,0,0],[0,1,0]]").unwrap_err().field, "camera_intrinsic");
    }
}
