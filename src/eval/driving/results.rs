//! Results as the leaderboard writes them.
//!
//! *In*: a record for each route and repetition. *Out*: the JSON of the leaderboard's checkpoint file: progress, records, and a
//! global record of the means. *Invariant*: a file that was cut off by a crash says by its progress where to go on.

use super::compare::{Spread, spread};
use super::{Infraction, Kind, Rules, Score, score};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

/// One route, driven once.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// Its id in the routes' file.
    pub route_id: String,
    /// Which repetition.
    pub repetition: usize,
    /// Town.
    pub town: String,
    /// `Perfect`, `Completed` or `Failed - reason`.
    pub status: String,
    /// Metres.
    pub length: f64,
    /// Percent of it that was driven.
    pub completed: f64,
    /// What went wrong.
    pub infractions: Vec<Infraction>,
    /// Simulated seconds.
    pub duration_game: f64,
    /// Seconds on the clock.
    pub duration_system: f64,
    /// Of these, seconds that the simulator took.
    pub simulator_seconds: f64,
    /// And the driver.
    pub driver_seconds: f64,
    /// Steps that braked because the driver was late.
    pub missed_deadlines: usize,
    /// Answers that came after their deadline and were dropped.
    #[serde(default)]
    pub late_answers: usize,
    /// Steps.
    pub steps: usize,
}

impl Record {
    /// Its scores.
    pub fn score(&self, rules: Rules) -> Score {
        score(self.completed, self.infractions.iter().map(|i| &i.kind), rules)
    }
    /// The leaderboard's word for how it ended.
    pub fn status_of(completed: f64, infractions: &[Infraction], ended: Option<&str>) -> String {
        match ended {
            Some(reason) => format!("Failed - {reason}"),
            None if completed >= 100.0 && infractions.is_empty() => "Perfect".to_owned(),
            None if completed >= 100.0 => "Completed".to_owned(),
            None => "Failed - Agent did not complete the route".to_owned(),
        }
    }
    /// What went wrong by these rules.
    pub fn infractions(&self, rules: Rules) -> impl Iterator<Item = &Infraction> {
        self.infractions.iter().filter(move |i| i.kind.counts(rules))
    }
    /// How it ended by these rules: what they do not know leaves a drive perfect.
    pub fn ending(&self, rules: Rules) -> &str {
        if self.status == "Completed" && self.infractions(rules).next().is_none() { "Perfect" } else { &self.status }
    }
    fn json(&self, index: usize, rules: Rules) -> Value {
        let mut infractions: Map<String, Value> = Kind::KEYS.iter().map(|k| ((*k).to_owned(), json!([]))).collect();
        for event in self.infractions(rules) {
            if let Some(Value::Array(list)) = infractions.get_mut(event.kind.key()) {
                list.push(json!(event.message));
            }
        }
        let s = self.score(rules);
        json!({
            "index": index,
            "route_id": format!("RouteScenario_{}_rep{}", self.route_id, self.repetition),
            "town_name": self.town,
            "status": self.ending(rules),
            "num_infractions": self.infractions(rules).count(),
            "infractions": infractions,
            "scores": { "score_route": rounded(s.score_route), "score_penalty": rounded(s.score_penalty), "score_composed": rounded(s.score_composed) },
            "meta": {
                "route_length": rounded(self.length), "duration_game": rounded(self.duration_game), "duration_system": rounded(self.duration_system),
                "simulator_seconds": rounded(self.simulator_seconds), "driver_seconds": rounded(self.driver_seconds),
                "missed_deadlines": self.missed_deadlines, "late_answers": self.late_answers, "steps": self.steps,
            },
        })
    }
}

fn rounded(v: f64) -> f64 {
    (v * 1e6).round() / 1e6
}

/// Means over all routes.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct Summary {
    /// Driving score.
    pub driving_score: Spread,
    /// Route completion.
    pub route_completion: Spread,
    /// Infraction penalty.
    pub infraction_score: Spread,
    /// Means of the driving score over whole repetitions: their spread is that of repeating.
    pub repetitions: Spread,
}

/// Means, deviations and intervals of some records.
pub fn summary(records: &[Record], rules: Rules) -> Summary {
    let scores: Vec<Score> = records.iter().map(|r| r.score(rules)).collect();
    let of = |f: fn(&Score) -> f64| spread(&scores.iter().map(f).collect::<Vec<_>>());
    let last = records.iter().map(|r| r.repetition).max().unwrap_or(0);
    let mean_of = |n: usize| {
        let mine: Vec<f64> = records.iter().filter(|r| r.repetition == n).map(|r| r.score(rules).score_composed).collect();
        (!mine.is_empty()).then(|| spread(&mine).mean)
    };
    let repetitions: Vec<f64> = (0..=last).filter_map(mean_of).collect();
    Summary {
        driving_score: of(|s| s.score_composed),
        route_completion: of(|s| s.score_route),
        infraction_score: of(|s| s.score_penalty),
        repetitions: spread(&repetitions),
    }
}

/// The leaderboard's results file.
pub fn results(records: &[Record], total: usize, rules: Rules, driver: &str, sensors: &[String]) -> Value {
    let s = summary(records, rules);
    let kilometres: f64 = records.iter().map(|r| r.length * r.completed / 100.0).sum::<f64>() / 1000.0;
    let count = |key: &str| records.iter().flat_map(|r| r.infractions(rules)).filter(|i| i.kind.key() == key).count();
    let per_km: Map<String, Value> =
        Kind::KEYS.iter().map(|k| ((*k).to_owned(), json!(rounded(count(k) as f64 / kilometres.max(1e-3))))).collect();
    let progress = json!([records.len(), total]);
    let status = if records.len() == total { "Finished" } else { "Started" };
    let spread =
        |s: &Spread| json!({ "mean": rounded(s.mean), "deviation": rounded(s.deviation), "half_interval_95": rounded(s.half_interval) });
    json!({
        "version": 1,
        "_checkpoint": {
            "global_record": {
                "index": -1, "route_id": -1, "status": status, "infractions": per_km,
                "scores_mean": { "score_composed": rounded(s.driving_score.mean), "score_route": rounded(s.route_completion.mean), "score_penalty": rounded(s.infraction_score.mean) },
                "scores_std_dev": { "score_composed": rounded(s.driving_score.deviation), "score_route": rounded(s.route_completion.deviation), "score_penalty": rounded(s.infraction_score.deviation) },
                "meta": { "exceptions": [] },
            },
            "progress": progress,
            "records": records.iter().enumerate().map(|(n, r)| r.json(n, rules)).collect::<Vec<_>>(),
        },
        "entry_status": status,
        "eligible": records.len() == total,
        "sensors": sensors,
        "labels": ["Avg. driving score", "Avg. route completion", "Avg. infraction penalty"],
        "values": [rounded(s.driving_score.mean), rounded(s.route_completion.mean), rounded(s.infraction_score.mean)],
        "sensorium": {
            "rules": rules.name(), "driver": driver, "kilometres": rounded(kilometres),
            "driving_score": spread(&s.driving_score), "route_completion": spread(&s.route_completion),
            "infraction_score": spread(&s.infraction_score), "repetitions": spread(&s.repetitions),
            "records": records,
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(repetition: usize, completed: f64, kinds: &[Kind]) -> Record {
        let one = |k: &Kind| Infraction { kind: *k, time: 1.0, place: [0.0; 2], message: "hit".into() };
        Record {
            route_id: "0".into(),
            repetition,
            town: "town-01".into(),
            status: "Completed".into(),
            length: 1000.0,
            completed,
            infractions: kinds.iter().map(one).collect(),
            duration_game: 1.0,
            duration_system: 1.0,
            simulator_seconds: 0.5,
            driver_seconds: 0.1,
            missed_deadlines: 0,
            late_answers: 0,
            steps: 20,
        }
    }

    #[test]
    fn the_driving_score_is_the_mean_of_the_products() {
        let records = [record(0, 100.0, &[Kind::CollisionPedestrian]), record(1, 50.0, &[])];
        let s = summary(&records, Rules::V2_0);
        assert!((s.driving_score.mean - 50.0).abs() < 1e-9, "not 75 x 0.75");
        let file = results(&records, 3, Rules::V2_0, "expert", &[]);
        assert_eq!(file["_checkpoint"]["progress"], json!([2, 3]));
        assert_eq!(file["_checkpoint"]["records"][0]["infractions"]["collisions_pedestrian"][0], "hit");
        assert!((file["_checkpoint"]["global_record"]["infractions"]["collisions_pedestrian"].as_f64().unwrap() - 1.0 / 1.5).abs() < 1e-5);
        let back: Vec<Record> = serde_json::from_value(file["sensorium"]["records"].clone()).unwrap();
        assert_eq!(back, records);
    }

    #[test]
    fn statuses_are_the_leaderboards() {
        assert_eq!(Record::status_of(100.0, &[], None), "Perfect");
        let hit = record(0, 100.0, &[Kind::RedLight]).infractions;
        assert_eq!(Record::status_of(100.0, &hit, None), "Completed");
        // Slower than the traffic is no fault by the first rules.
        let slow = Record { status: "Completed".into(), ..record(0, 100.0, &[Kind::MinSpeed(50.0)]) };
        assert_eq!(Rules::ALL.map(|rules| slow.ending(rules)), ["Perfect", "Completed", "Completed"]);
        let lists = Rules::ALL.map(|rules| slow.json(0, rules)["infractions"]["min_speed_infractions"].as_array().unwrap().len());
        assert_eq!(lists, [0, 1, 1]);
        assert_eq!(Record::status_of(40.0, &hit, Some("Agent got blocked")), "Failed - Agent got blocked");
    }
}
