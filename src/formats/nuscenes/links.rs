//! Whether the tables of a root hold together: links, values, chains, times.
//!
//! *In*: [`Tables`]. *Out*: [`Faults`]. *Invariant*: every record that was kept is looked at; nothing is followed that was not found.

use super::fault::{Fault, FaultKind as K, Faults};
use super::{Choice, Record, SampleAnnotation, Table, Tables, Token};
use std::collections::BTreeSet;

/// Notes every fault of the tables that were read with `choice`.
pub fn check(tables: &Tables, choice: &Choice<'_>, faults: &mut Faults) {
    let unread = |f: &&Fault| matches!(f.kind, K::MissingTable | K::BadJson | K::Unreadable);
    let broken = faults.list().iter().filter(unread).map(|f| f.file.clone()).collect();
    let mut checker = Checker { tables, faults, broken };
    checker.sensors();
    checker.scenes();
    checker.files(choice);
    if choice.annotations {
        checker.objects();
    }
    if choice.rest {
        checker.maps();
    }
}

struct Checker<'c> {
    tables: &'c Tables,
    faults: &'c mut Faults,
    /// Files of tables that could not be read: that links into them dangle is no news.
    broken: BTreeSet<String>,
}

impl<'c> Checker<'c> {
    fn link<R: Record, T: Record>(&mut self, record: &R, field: &str, token: &Token, target: &Table<T>) -> bool {
        let there = target.row(token).is_some() || self.broken.contains(&self.tables.file::<T>());
        if !there {
            let fault = Fault::new(
                K::DanglingToken,
                self.tables.file::<R>(),
                format!("a record of table {}", T::TABLE),
                format!("none with token `{token}`"),
            );
            self.faults.add(fault.of(record.token()).field(field));
        }
        there
    }
    /// A link that may be "".
    fn chain<R: Record>(&mut self, record: &R, field: &str, token: &Token, target: &Table<R>) {
        if token.given().is_some() {
            self.link(record, field, token, target);
        }
    }
    fn wrong<R: Record>(&mut self, kind: K, record: &R, field: &str, wanted: &str, found: impl std::fmt::Debug) {
        let fault = Fault::new(kind, self.tables.file::<R>(), wanted, format!("{found:?}"));
        self.faults.add(fault.of(record.token()).field(field));
    }
    fn pose<R: Record>(&mut self, record: &R, translation: &[f64; 3], rotation: &[f64; 4]) {
        if !translation.iter().all(|v| v.is_finite()) {
            self.wrong(K::NonFinite, record, "translation", "finite numbers", translation);
        }
        if !rotation.iter().all(|v| v.is_finite()) {
            self.wrong(K::NonFinite, record, "rotation", "finite numbers", rotation);
        } else if super::rotation(*rotation).is_none() {
            self.wrong(K::ZeroQuaternion, record, "rotation", "a quaternion that can be normalised", rotation);
        }
    }
    fn empty<R: Record>(&mut self, table: &Table<R>) {
        let file = self.tables.file::<R>();
        if table.rows().is_empty() && !self.broken.contains(&file) {
            self.faults.add(Fault::new(K::MissingRecord, file, "at least one record", "none"));
        }
    }

    fn sensors(&mut self) {
        let tables = self.tables;
        self.empty(&tables.sensors);
        self.empty(&tables.calibrated);
        for record in tables.calibrated.rows() {
            self.link(record, "sensor_token", &record.sensor_token, &tables.sensors);
            self.pose(record, &record.translation, &record.rotation);
            if record.camera_intrinsic.iter().flatten().flatten().any(|v| !v.is_finite()) {
                self.wrong(K::NonFinite, record, "camera_intrinsic", "finite numbers", record.camera_intrinsic);
            }
        }
        for record in tables.ego_poses.rows() {
            self.pose(record, &record.translation, &record.rotation);
        }
    }

    fn scenes(&mut self) {
        let tables = self.tables;
        self.empty(&tables.logs);
        self.empty(&tables.scenes);
        self.empty(&tables.samples);
        for record in tables.scenes.rows() {
            self.link(record, "log_token", &record.log_token, &tables.logs);
            self.link(record, "first_sample_token", &record.first_sample_token, &tables.samples);
            self.link(record, "last_sample_token", &record.last_sample_token, &tables.samples);
        }
        for record in tables.samples.rows() {
            self.link(record, "scene_token", &record.scene_token, &tables.scenes);
            self.chain(record, "prev", &record.prev, &tables.samples);
            self.chain(record, "next", &record.next, &tables.samples);
            if let Some(next) = tables.samples.get(&record.next).filter(|n| n.timestamp <= record.timestamp) {
                let wanted = format!("a time after that of the sample before, {}", record.timestamp);
                self.wrong(K::BadTimestamp, next, "timestamp", &wanted, next.timestamp);
            }
        }
        self.cycles(&tables.samples, "next", |s| &s.next);
        self.cycles(&tables.samples, "prev", |s| &s.prev);
    }

    fn files(&mut self, choice: &Choice<'_>) {
        let tables = self.tables;
        for record in tables.sample_data.rows() {
            self.link(record, "sample_token", &record.sample_token, &tables.samples);
            self.link(record, "ego_pose_token", &record.ego_pose_token, &tables.ego_poses);
            self.link(record, "calibrated_sensor_token", &record.calibrated_sensor_token, &tables.calibrated);
            if choice.sweeps && choice.channels.is_none() {
                self.chain(record, "prev", &record.prev, &tables.sample_data);
                self.chain(record, "next", &record.next, &tables.sample_data);
            }
        }
        self.cycles(&tables.sample_data, "prev", |d| &d.prev);
        self.cycles(&tables.sample_data, "next", |d| &d.next);
    }

    fn objects(&mut self) {
        let tables = self.tables;
        for record in tables.instances.rows() {
            self.link(record, "category_token", &record.category_token, &tables.categories);
        }
        for record in tables.annotations.rows() {
            self.link(record, "sample_token", &record.sample_token, &tables.samples);
            self.link(record, "instance_token", &record.instance_token, &tables.instances);
            if record.visibility_token.given().is_some() {
                self.link(record, "visibility_token", &record.visibility_token, &tables.visibilities);
            }
            for (place, token) in record.attribute_tokens.iter().enumerate() {
                self.link(record, &format!("attribute_tokens.{place}"), token, &tables.attributes);
            }
            self.chain(record, "prev", &record.prev, &tables.annotations);
            self.chain(record, "next", &record.next, &tables.annotations);
            self.values(record);
        }
        self.cycles(&tables.annotations, "next", |a| &a.next);
        self.cycles(&tables.annotations, "prev", |a| &a.prev);
    }

    fn values(&mut self, record: &SampleAnnotation) {
        self.pose(record, &record.translation, &record.rotation);
        if !record.size.iter().all(|v| v.is_finite()) {
            self.wrong(K::NonFinite, record, "size", "finite numbers", record.size);
        } else if record.size.iter().any(|v| *v <= 0.0) {
            self.wrong(K::BadSize, record, "size", "numbers above zero", record.size);
        }
        if record.attribute_tokens.len() > 1 {
            self.wrong(K::TooManyAttributes, record, "attribute_tokens", "at most one attribute", &record.attribute_tokens);
        }
    }

    fn maps(&mut self) {
        let tables = self.tables;
        self.empty(&tables.maps);
        let mut mapped = std::collections::HashSet::new();
        for record in tables.maps.rows() {
            for (place, token) in record.log_tokens.iter().enumerate() {
                self.link(record, &format!("log_tokens.{place}"), token, &tables.logs);
                mapped.insert(token);
            }
        }
        let told = self.broken.contains(&tables.file::<super::Map>());
        for log in tables.logs.rows().iter().filter(|l| !told && !mapped.contains(&l.token)) {
            let fault =
                Fault::new(K::DanglingToken, tables.file::<super::Map>(), "a map for every log", format!("none for log `{}`", log.token));
            self.faults.add(fault.of(&log.token).field("log_tokens"));
        }
        for record in tables.lidarseg.rows() {
            self.link(record, "sample_data_token", &record.sample_data_token, &tables.sample_data);
        }
        for record in tables.panoptic.rows() {
            self.link(record, "sample_data_token", &record.sample_data_token, &tables.sample_data);
        }
    }

    /// Chains that come back to a record they have passed.
    fn cycles<R: Record>(&mut self, table: &'c Table<R>, field: &str, link: impl Fn(&R) -> &Token) {
        // 0: not yet seen; otherwise the number of the walk that saw it.
        let mut seen = vec![0_usize; table.rows().len()];
        for start in 0..seen.len() {
            let mut row = start;
            let walk = start + 1;
            while seen.get(row) == Some(&0) {
                if let Some(mark) = seen.get_mut(row) {
                    *mark = walk;
                }
                let Some(record) = table.rows().get(row) else { break };
                let Some(next) = link(record).given().and_then(|token| table.row(token)) else { break };
                if seen.get(next) == Some(&walk) {
                    self.wrong(K::ChainCycle, record, field, "a chain that ends", format!("back to {}", link(record)));
                }
                row = next;
            }
        }
    }
}
