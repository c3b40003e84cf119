//! Hits, misses, false alarms and switches of one class at one score threshold.
//!
//! *In*: true and predicted tracks. *Out*: [`Account`]. *Invariant*: in each moment pairs of the moment before are kept while they
//! are nearer than 2 m; the rest is paired at least total distance. (Bernardin and Stiefelhagen 2008; Li and Nevatia 2008.)

use super::assign::assign;
use super::tracks::{Scenes, Tracked};
use std::collections::HashMap;

/// Farther apart is no hit, metres.
const REACH: f64 = 2.0;
/// Seconds between samples.
const PERIOD: f64 = 0.5;

/// What became of one object in the moments where it was there.
#[derive(Debug, Clone, Default)]
struct Life {
    /// Number of the moment, and whether it was tracked then.
    moments: Vec<(usize, bool)>,
}

/// The count over all scenes.
#[derive(Debug, Clone, Default)]
pub(super) struct Account {
    frames: f64,
    objects: f64,
    matches: f64,
    switches: f64,
    misses: f64,
    alarms: f64,
    distance: f64,
    lives: Vec<Life>,
    /// Scores of plain matches.
    pub(super) scores: Vec<f64>,
}

/// Follows one class through all scenes; predictions below `threshold` are left out.
pub(super) fn follow(truth: &Scenes, predicted: &Scenes, class: u8, threshold: Option<f64>) -> Account {
    let mut account = Account::default();
    for (truths, predictions) in truth.iter().zip(predicted) {
        let mut scene = Scene::default();
        for (time, there) in truths {
            let there: Vec<&Tracked> = there.iter().filter(|t| t.class == class).collect();
            let found: Vec<&Tracked> = (predictions.get(time).into_iter().flatten())
                .filter(|p| p.class == class && threshold.is_none_or(|t| p.score >= t))
                .collect();
            if !(there.is_empty() && found.is_empty()) {
                scene.moment(&there, &found, &mut account);
            }
        }
        account.lives.extend(scene.lives.into_values());
    }
    account
}

/// What is known of a scene so far.
#[derive(Default)]
struct Scene {
    /// The track that each object was last paired with.
    paired: HashMap<u32, u32>,
    lives: HashMap<u32, Life>,
    moment: usize,
}

impl Scene {
    fn moment(&mut self, there: &[&Tracked], found: &[&Tracked], account: &mut Account) {
        let mut costs: Vec<Vec<f64>> = there.iter().map(|t| found.iter().map(|f| distance(t, f)).collect()).collect();
        let mut pair: Vec<Option<(usize, bool)>> = vec![None; there.len()];
        let mut used = vec![false; found.len()];
        for ((object, row), slot) in there.iter().zip(&costs).zip(&mut pair) {
            let Some(track) = self.paired.get(&object.track) else { continue };
            let again = found.iter().zip(&used).position(|(f, used)| !used && f.track == *track);
            if let Some(at) = again.filter(|at| row.get(*at).is_some_and(|d| d.is_finite())) {
                *slot = Some((at, false));
                if let Some(used) = used.get_mut(at) {
                    *used = true;
                }
            }
        }
        let mut open = costs.clone();
        for (row, slot) in open.iter_mut().zip(&pair) {
            let kept = slot.is_some();
            row.iter_mut().zip(&used).filter(|(_, used)| kept || **used).for_each(|(cost, _)| *cost = f64::INFINITY);
        }
        for (row, column) in assign(&open, found.len()).into_iter().enumerate() {
            let (Some(column), Some(object)) = (column, there.get(row)) else { continue };
            let Some(track) = found.get(column).map(|f| f.track) else { continue };
            let switch = self.paired.get(&object.track).is_some_and(|before| *before != track);
            self.paired.insert(object.track, track);
            if let Some(slot) = pair.get_mut(row) {
                *slot = Some((column, switch));
            }
            if let Some(used) = used.get_mut(column) {
                *used = true;
            }
        }
        account.frames += 1.0;
        account.objects += there.len() as f64;
        account.alarms += used.iter().filter(|u| !**u).count() as f64;
        let mut matched = Vec::new();
        for ((object, slot), row) in there.iter().zip(&pair).zip(&mut costs) {
            self.lives.entry(object.track).or_default().moments.push((self.moment, slot.is_some()));
            let Some((at, switch)) = *slot else {
                account.misses += 1.0;
                continue;
            };
            account.distance += row.get(at).copied().unwrap_or(0.0);
            if switch {
                account.switches += 1.0;
            } else {
                account.matches += 1.0;
                matched.extend(found.get(at).map(|f| f.track));
            }
        }
        // As the devkit takes them: by track, so a track that is in a sample twice gives both of its scores.
        account.scores.extend(found.iter().filter(|f| matched.contains(&f.track)).map(|f| f.score));
        self.moment += 1;
    }
}

/// Distance in x and y, infinite beyond reach; by squares and products as the devkit takes it.
fn distance(a: &Tracked, b: &Tracked) -> f64 {
    let ([ax, ay], [bx, by]) = (a.centre, b.centre);
    let square = -2.0 * (ax * bx + ay * by) + (ax * ax + ay * ay) + (bx * bx + by * by);
    let distance = square.max(0.0).sqrt();
    if distance >= REACH { f64::INFINITY } else { distance }
}

impl Account {
    /// The metric of this name; NaN where it is not defined.
    pub(super) fn metric(&self, name: &str) -> f64 {
        let or_nan = |value: f64, defined: bool| if defined { value } else { f64::NAN };
        let found = self.matches + self.switches;
        let faults = self.misses + self.switches + self.alarms;
        match name {
            "gt" => self.objects,
            "tp" => self.matches,
            "fp" => self.alarms,
            "fn" => self.misses,
            "ids" => self.switches,
            "recall" => found / self.objects,
            "mota" => (1.0 - faults / self.objects).max(0.0),
            "motar" => {
                let recall = self.matches / self.objects;
                let scaled = recall * self.objects;
                or_nan((1.0 - (faults - (1.0 - recall) * self.objects) / scaled).max(0.0), scaled != 0.0)
            }
            "motp" => or_nan(self.distance / found, found > 0.0),
            "faf" => self.alarms / self.frames * 100.0,
            "mt" => self.lives.iter().filter(|l| l.ratio() >= 0.8).count() as f64,
            "ml" => self.lives.iter().filter(|l| l.ratio() < 0.2).count() as f64,
            "frag" => self.lives.iter().map(Life::fragments).sum(),
            "tid" => self.mean_of_tracked(Life::start),
            "lgd" => self.mean_of_tracked(Life::gap),
            _ => f64::NAN,
        }
    }
    /// Mean over the objects that were tracked at all, in seconds.
    fn mean_of_tracked(&self, moments: fn(&Life) -> usize) -> f64 {
        let tracked: Vec<f64> = self.lives.iter().filter(|l| l.ratio() > 0.0).map(|l| moments(l) as f64 * PERIOD).collect();
        tracked.iter().sum::<f64>() / tracked.len() as f64
    }
}

impl Life {
    fn ratio(&self) -> f64 {
        self.moments.iter().filter(|(_, tracked)| *tracked).count() as f64 / self.moments.len() as f64
    }
    /// Moments from its first until it is tracked.
    fn start(&self) -> usize {
        let (first, tracked) = (self.moments.first(), self.moments.iter().find(|(_, tracked)| *tracked));
        first.zip(tracked).map_or(0, |(first, tracked)| tracked.0 - first.0)
    }
    /// The most moments in a row without being tracked.
    fn gap(&self) -> usize {
        let (Some(first), Some(last)) = (self.moments.first(), self.moments.last()) else { return 0 };
        let mut before = first.0;
        let mut most = 0;
        for (moment, _) in self.moments.iter().filter(|(_, tracked)| *tracked) {
            most = most.max(moment - before);
            before = moment + 1;
        }
        most.max((last.0 + 1).saturating_sub(before))
    }
    /// How often it was lost and found again.
    fn fragments(&self) -> f64 {
        let mut lost = 0.0;
        let mut pending = 0.0;
        let mut before = None;
        for (_, tracked) in &self.moments {
            match (before, *tracked) {
                (Some(true), false) => pending += 1.0,
                (_, true) => {
                    lost += pending;
                    pending = 0.0;
                }
                _ => {}
            }
            if before.is_some() || *tracked {
                before = Some(*tracked);
            }
        }
        lost
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    #[test]
    fn a_track_that_is_in_a_sample_twice_gives_both_scores_and_one_match() {
        let seen = |x: f64, track: u32, score: f64| Tracked { centre: [x, 0.0], class: 0, track, score };
        let scenes = |boxes: Vec<Tracked>| vec![BTreeMap::from([(1, boxes)])];
        let account =
            follow(&scenes(vec![seen(0.0, 7, 0.0)]), &scenes(vec![seen(0.5, 3, 0.9), seen(9.0, 3, 0.4), seen(9.0, 4, 0.8)]), 0, None);
        assert_eq!((account.scores.as_slice(), account.metric("tp"), account.metric("fp")), (&[0.9, 0.4][..], 1.0, 2.0));
    }
}
