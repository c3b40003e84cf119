//! A driver in a thread of its own, so that one who hangs holds nobody up.
//!
//! ```text
//! loop --instant--> [one in flight] --> driver's thread
//! loop <--control-- driver's thread
//! ```
//!
//! *Invariant*: a driver has at most one instant at a time; an answer that comes after its deadline is dropped and counted, and never followed;
//! without a deadline the loop waits, so that nothing depends on the host's clock.

use super::driver::{Course, Driver, Instant, SensorSpec};
use crate::carla::VehicleControl;
use crate::types::{Error, Result};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::time::{Duration, Instant as Clock};

/// How often a wait looks whether it should end.
const LOOK: Duration = Duration::from_millis(50);

enum Asked {
    Begin(Course),
    Step(Arc<Instant>),
}

enum Answer {
    Begun(Result<()>),
    Control(Result<VehicleControl>),
}

/// A driver, its thread, and what it has in hand.
#[derive(Debug)]
pub struct Cockpit {
    name: String,
    sensors: Vec<SensorSpec>,
    to: SyncSender<Asked>,
    from: Receiver<Answer>,
    /// Whether it still has something in hand.
    busy: bool,
    late: usize,
}

impl Cockpit {
    /// Puts a driver in its seat.
    ///
    /// # Errors
    /// Where the system gives no thread.
    pub fn new(mut driver: impl Driver + 'static) -> Result<Self> {
        let (name, sensors) = (driver.name().to_owned(), driver.sensors());
        let (to, inbox) = sync_channel::<Asked>(1);
        let (outbox, from) = sync_channel(1);
        let work = move || {
            while let Ok(asked) = inbox.recv() {
                let answer = match asked {
                    Asked::Begin(course) => Answer::Begun(driver.begin(&course)),
                    Asked::Step(now) => Answer::Control(driver.step(&now)),
                };
                if outbox.send(answer).is_err() {
                    return;
                }
            }
        };
        // Nobody joins it: it ends with its cockpit, unless its driver hangs.
        let made = std::thread::Builder::new().name("driver".into()).spawn(work);
        made.map_err(|e| Error::unavailable(format!("a thread for the driver `{name}`"), e.to_string()))?;
        Ok(Self { name, sensors, to, from, busy: false, late: 0 })
    }
    /// The driver's name.
    pub fn name(&self) -> &str {
        &self.name
    }
    /// What it wants to see.
    pub fn sensors(&self) -> &[SensorSpec] {
        &self.sensors
    }
    /// Answers that came too late, since this was asked last.
    pub(super) fn take_late(&mut self) -> usize {
        std::mem::take(&mut self.late)
    }
    /// Another route begins.
    ///
    /// # Errors
    /// Where it cannot be driven, or the driver does not answer within `patience`.
    pub(super) fn begin(&mut self, course: Course, patience: Duration, go_on: &dyn Fn() -> bool) -> Result<()> {
        let end = Some(Clock::now() + patience);
        let silent = |name: &str, what: &str| {
            Error::unavailable(format!("the driver `{name}`"), format!("{what} for {:.1} s", patience.as_secs_f64()))
        };
        if !self.free(end, go_on)? {
            return Err(silent(&self.name, "busy with a step of the route before"));
        }
        self.hand(Asked::Begin(course))?;
        match self.answer(end, go_on)? {
            Some(Answer::Begun(done)) => done,
            _ => Err(silent(&self.name, "no answer to the beginning of a route")),
        }
    }
    /// What to do now; none where the driver has no answer by the deadline.
    ///
    /// # Errors
    /// Inside, the driver's own; outside, where its thread is gone or the drive was interrupted.
    pub(super) fn step(
        &mut self,
        now: &Arc<Instant>,
        deadline: Option<Duration>,
        go_on: &dyn Fn() -> bool,
    ) -> Result<Option<Result<VehicleControl>>> {
        let end = deadline.map(|d| Clock::now() + d);
        if !self.free(end, go_on)? {
            return Ok(None);
        }
        self.hand(Asked::Step(Arc::clone(now)))?;
        match self.answer(end, go_on)? {
            Some(Answer::Control(control)) if end.is_none_or(|end| Clock::now() <= end) => Ok(Some(control)),
            Some(_) => {
                self.late += 1;
                Ok(None)
            }
            None => Ok(None),
        }
    }
    /// Waits until the driver has nothing in hand; what it still answers is too late.
    fn free(&mut self, end: Option<Clock>, go_on: &dyn Fn() -> bool) -> Result<bool> {
        if self.busy && self.answer(end, go_on)?.is_some() {
            self.late += 1;
        }
        Ok(!self.busy)
    }
    fn hand(&mut self, asked: Asked) -> Result<()> {
        self.to.send(asked).map_err(|_| self.gone())?;
        self.busy = true;
        Ok(())
    }
    fn answer(&mut self, end: Option<Clock>, go_on: &dyn Fn() -> bool) -> Result<Option<Answer>> {
        loop {
            let left = end.map_or(LOOK, |end| end.saturating_duration_since(Clock::now()));
            match self.from.recv_timeout(left.min(LOOK)) {
                Ok(answer) => {
                    self.busy = false;
                    return Ok(Some(answer));
                }
                Err(RecvTimeoutError::Disconnected) => return Err(self.gone()),
                Err(RecvTimeoutError::Timeout) if !go_on() => {
                    return Err(Error::unavailable("the rest of the routes", "interrupted"));
                }
                Err(RecvTimeoutError::Timeout) if end.is_some_and(|end| Clock::now() >= end) => return Ok(None),
                Err(RecvTimeoutError::Timeout) => {}
            }
        }
    }
    fn gone(&self) -> Error {
        Error::unavailable(format!("the driver `{}`", self.name), "its thread is gone: it panicked")
    }
}
