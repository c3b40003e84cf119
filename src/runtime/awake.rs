//! Keeps cores from halting while a pipeline runs (`keep_awake`).
//!
//! A core with nothing to do halts, and waking it costs more than a hop between threads does, above all on a virtual machine. One
//! thread per core in Linux's class for idle work spins there: anything else that wants the core has it at once, so what is
//! paid is power, not throughput. *Invariant*: no thread spins in an ordinary class, and none after [`Awake`] is dropped.

use crate::types::{Error, Result};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;

/// Cores are awake as long as this lives.
pub(super) struct Awake {
    over: Arc<AtomicBool>,
    threads: Vec<JoinHandle<()>>,
}

impl Awake {
    /// Starts one thread per core that this process may use.
    ///
    /// # Errors
    /// Where the system has no such class, refuses it, or gives no thread.
    pub(super) fn start() -> Result<Self> {
        let mut awake = Self { over: Arc::default(), threads: Vec::new() };
        let count = std::thread::available_parallelism().map_or(1, usize::from);
        let (told, answers) = crossbeam_channel::bounded(count);
        for _ in 0..count {
            let (over, told) = (Arc::clone(&awake.over), told.clone());
            let body = move || {
                let idle = idle_class();
                let go = idle.is_ok();
                let _ = told.send(idle);
                drop(told);
                while go && !over.load(Ordering::Relaxed) {
                    std::hint::spin_loop();
                }
            };
            let thread = std::thread::Builder::new().name("awake".to_owned()).spawn(body);
            awake.threads.push(thread.map_err(|e| Error::unavailable("a thread for `keep_awake`", e.to_string()))?);
        }
        drop(told);
        answers.iter().collect::<Result<()>>()?;
        Ok(awake)
    }
}

impl Drop for Awake {
    fn drop(&mut self) {
        self.over.store(true, Ordering::Relaxed);
        for thread in self.threads.drain(..) {
            let _ = thread.join();
        }
    }
}

/// Puts the calling thread into the class that runs where nothing else wants to.
#[cfg(target_os = "linux")]
fn idle_class() -> Result<()> {
    use thread_priority::{
        NormalThreadSchedulePolicy, ThreadPriority, ThreadSchedulePolicy, set_thread_priority_and_policy, thread_native_id,
        thread_schedule_policy,
    };
    let wanted = ThreadSchedulePolicy::Normal(NormalThreadSchedulePolicy::Idle);
    // It also sets the niceness, which may be refused and does not matter in this class: what the thread is in decides.
    let tried = set_thread_priority_and_policy(thread_native_id(), ThreadPriority::Min, wanted);
    match thread_schedule_policy() {
        Ok(found) if found == wanted => Ok(()),
        found => Err(Error::unavailable("`keep_awake`", format!("wanted the idle scheduling class, found {found:?} ({tried:?})"))),
    }
}

#[cfg(not(target_os = "linux"))]
fn idle_class() -> Result<()> {
    Err(Error::unavailable("`keep_awake`", "only Linux has an idle scheduling class"))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Names and scheduling classes of this process's threads; 5 is `SCHED_IDLE`, field 41 of proc(5)'s `stat`.
    #[cfg(target_os = "linux")]
    fn classes() -> Vec<(String, String)> {
        let tasks = std::fs::read_dir("/proc/self/task").unwrap().flatten();
        let stat = tasks.filter_map(|t| std::fs::read_to_string(t.path().join("stat")).ok());
        stat.filter_map(|text| {
            let (head, tail) = text.rsplit_once(')')?;
            let name = head.split_once('(')?.1.to_owned();
            Some((name, tail.split_whitespace().nth(38)?.to_owned()))
        })
        .collect()
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn its_threads_are_in_the_idle_class_and_end_with_it() {
        let mine = || classes().into_iter().filter(|(name, _)| name == "awake").collect::<Vec<_>>();
        let awake = Awake::start().unwrap();
        let found = mine();
        assert_eq!(found.len(), std::thread::available_parallelism().unwrap().get());
        assert!(found.iter().all(|(_, class)| class == "5"), "{found:?}");
        drop(awake);
        assert_eq!(mine(), []);
    }
}
