//! Bounded edges between threads, with a policy and a count of everything.
//!
//! *In / Out*: items of any type. *Invariant*: offered = delivered + replaced + refused + in flight, at any time when
//! neither end is inside a call. Built on `crossbeam-channel`; the sender keeps a receiver to take out what is replaced,
//! so the death of the consumer is signalled by a flag of our own.

use super::metrics::Histogram;
use super::policy::Policy;
use crate::types::HostTime;
use crossbeam_channel::{Receiver, RecvTimeoutError, SendTimeoutError, TryRecvError, TrySendError, bounded};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

/// How often a blocked end looks whether the other end is still there.
pub(super) const LOOK: Duration = Duration::from_millis(50);

/// What is counted at one edge.
#[derive(Debug)]
pub struct EdgeStats {
    /// For example `align->fuse`.
    pub name: String,
    /// Its policy in this run's mode.
    pub policy: Policy,
    pub(super) offered: AtomicU64,
    pub(super) delivered: AtomicU64,
    pub(super) replaced: AtomicU64,
    pub(super) refused: AtomicU64,
    pub(super) depth: AtomicUsize,
    pub(super) peak: AtomicUsize,
    pub(super) wait: Histogram,
    consumer_gone: AtomicBool,
    producer_gone: AtomicBool,
}

impl EdgeStats {
    /// Tells the producer that nobody will take any more.
    pub(super) fn close(&self) {
        self.consumer_gone.store(true, Ordering::SeqCst);
    }
    /// Tells the consumer that nothing will come any more, though the sender still lives (its thread hangs).
    pub(super) fn abandon(&self) {
        self.producer_gone.store(true, Ordering::SeqCst);
    }
}

struct Envelope<T> {
    entered: HostTime,
    counted: bool,
    item: T,
}

/// What became of an item at the entrance of an edge.
#[derive(Debug, PartialEq, Eq)]
pub enum Sent<T> {
    /// It waits for the consumer.
    Accepted,
    /// This one had to go: the older one that waited, or the new one where it was sampled away.
    Replaced(T),
    /// It did not enter: nobody is there to take it.
    NotTaken(T),
}

/// The producer's end.
pub struct Sender<T> {
    channel: crossbeam_channel::Sender<Envelope<T>>,
    steal: Receiver<Envelope<T>>,
    stats: Arc<EdgeStats>,
    next_sample: AtomicI64,
}

/// The consumer's end.
pub struct Inlet<T> {
    channel: Receiver<Envelope<T>>,
    stats: Arc<EdgeStats>,
}

/// What the consumer found.
#[derive(Debug, PartialEq, Eq)]
pub enum Received<T> {
    /// An item, and how long it waited.
    Item(T, Duration),
    /// Nothing yet.
    Nothing,
    /// Nothing will come.
    Closed,
}

/// A new edge.
pub fn edge<T>(name: impl Into<String>, policy: Policy) -> (Sender<T>, Inlet<T>, Arc<EdgeStats>) {
    let (tx, rx) = bounded(policy.capacity());
    let stats = Arc::new(EdgeStats {
        name: name.into(),
        policy,
        offered: AtomicU64::new(0),
        delivered: AtomicU64::new(0),
        replaced: AtomicU64::new(0),
        refused: AtomicU64::new(0),
        depth: AtomicUsize::new(0),
        peak: AtomicUsize::new(0),
        wait: Histogram::default(),
        consumer_gone: AtomicBool::new(false),
        producer_gone: AtomicBool::new(false),
    });
    let sender = Sender { channel: tx, steal: rx.clone(), stats: Arc::clone(&stats), next_sample: AtomicI64::new(i64::MIN) };
    (sender, Inlet { channel: rx, stats: Arc::clone(&stats) }, stats)
}

impl<T> Sender<T> {
    /// The edge's counters.
    pub fn stats(&self) -> &Arc<EdgeStats> {
        &self.stats
    }
    /// Offers an item as the policy says.
    pub fn send(&self, item: T) -> Sent<T> {
        self.stats.offered.fetch_add(1, Ordering::Relaxed);
        let now = HostTime::now();
        if let Some(period) = self.stats.policy.period() {
            if now.nanos() < self.next_sample.load(Ordering::Relaxed) {
                self.stats.replaced.fetch_add(1, Ordering::Relaxed);
                return Sent::Replaced(item);
            }
            self.next_sample.store(now.after(period).nanos(), Ordering::Relaxed);
        }
        self.push(Envelope { entered: now, counted: true, item })
    }
    /// Sends a marker that is no packet: never counted, never dropped while the consumer lives.
    pub(super) fn mark(&self, item: T) {
        let mut envelope = Envelope { entered: HostTime::now(), counted: false, item };
        while !self.stats.consumer_gone.load(Ordering::SeqCst) {
            match self.channel.send_timeout(envelope, LOOK) {
                Ok(()) | Err(SendTimeoutError::Disconnected(_)) => return,
                Err(SendTimeoutError::Timeout(back)) => envelope = back,
            }
        }
    }
    fn push(&self, mut envelope: Envelope<T>) -> Sent<T> {
        let mut outcome = Sent::Accepted;
        loop {
            if self.stats.consumer_gone.load(Ordering::SeqCst) {
                self.stats.refused.fetch_add(1, Ordering::Relaxed);
                return Sent::NotTaken(envelope.item);
            }
            let back = if let Policy::Block(_) = self.stats.policy {
                match self.channel.send_timeout(envelope, LOOK) {
                    Ok(()) => break,
                    Err(SendTimeoutError::Timeout(back) | SendTimeoutError::Disconnected(back)) => back,
                }
            } else {
                match self.channel.try_send(envelope) {
                    Ok(()) => break,
                    Err(TrySendError::Full(back) | TrySendError::Disconnected(back)) => back,
                }
            };
            envelope = back;
            if !matches!(self.stats.policy, Policy::Block(_))
                && let Ok(old) = self.steal.try_recv()
            {
                self.stats.replaced.fetch_add(1, Ordering::Relaxed);
                outcome = Sent::Replaced(old.item);
            }
        }
        let depth = self.channel.len();
        self.stats.depth.store(depth, Ordering::Relaxed);
        self.stats.peak.fetch_max(depth, Ordering::Relaxed);
        outcome
    }
    /// Items that wait now.
    pub fn depth(&self) -> usize {
        self.channel.len()
    }
}

impl<T> Inlet<T> {
    /// The edge's counters.
    pub fn stats(&self) -> &Arc<EdgeStats> {
        &self.stats
    }
    /// Waits up to `limit` for the next item.
    pub fn receive(&self, limit: Duration) -> Received<T> {
        match self.channel.recv_timeout(limit) {
            Ok(envelope) => self.open(envelope),
            Err(RecvTimeoutError::Timeout) => self.quiet(),
            Err(RecvTimeoutError::Disconnected) => Received::Closed,
        }
    }
    /// Takes the next item if one waits.
    pub fn poll(&self) -> Received<T> {
        match self.channel.try_recv() {
            Ok(envelope) => self.open(envelope),
            Err(TryRecvError::Empty) => self.quiet(),
            Err(TryRecvError::Disconnected) => Received::Closed,
        }
    }
    /// Waits until one of several edges has something or has closed, at most `limit`.
    pub fn wait_any<'a>(inlets: impl Iterator<Item = &'a Self>, limit: Duration)
    where
        T: 'a,
    {
        let mut select = crossbeam_channel::Select::new();
        let mut any = false;
        for inlet in inlets {
            select.recv(&inlet.channel);
            any = true;
        }
        if any {
            let _ = select.ready_timeout(limit);
        } else {
            std::thread::sleep(limit.min(LOOK));
        }
    }
    fn quiet(&self) -> Received<T> {
        if self.stats.producer_gone.load(Ordering::SeqCst) { Received::Closed } else { Received::Nothing }
    }
    fn open(&self, envelope: Envelope<T>) -> Received<T> {
        let waited = HostTime::now().since(envelope.entered);
        if envelope.counted {
            self.stats.delivered.fetch_add(1, Ordering::Relaxed);
            self.stats.wait.record(waited);
        }
        self.stats.depth.store(self.channel.len(), Ordering::Relaxed);
        Received::Item(envelope.item, waited)
    }
}

impl<T> Drop for Inlet<T> {
    fn drop(&mut self) {
        self.stats.close();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counts(s: &EdgeStats) -> [u64; 4] {
        [&s.offered, &s.delivered, &s.replaced, &s.refused].map(|c| c.load(Ordering::Relaxed))
    }

    #[test]
    fn latest_keeps_the_newest_and_counts_the_rest() {
        let (tx, rx, stats) = edge("e", Policy::Latest);
        assert_eq!(tx.send(1), Sent::Accepted);
        assert_eq!(tx.send(2), Sent::Replaced(1));
        assert!(matches!(rx.poll(), Received::Item(2, _)));
        drop(rx);
        assert_eq!(tx.send(3), Sent::NotTaken(3));
        assert_eq!(counts(&stats), [3, 1, 1, 1]);
    }

    #[test]
    fn block_loses_nothing_across_threads() {
        let (tx, rx, stats) = edge("e", Policy::Block(2));
        let sender = std::thread::spawn(move || (0..1000).for_each(|i| assert_eq!(tx.send(i), Sent::Accepted)));
        let mut next = 0;
        loop {
            match rx.receive(LOOK) {
                Received::Item(i, _) => {
                    assert_eq!(i, next);
                    next += 1;
                }
                Received::Nothing => {}
                Received::Closed => break,
            }
        }
        sender.join().unwrap();
        assert_eq!((next, counts(&stats)), (1000, [1000, 1000, 0, 0]));
    }

    #[test]
    fn sample_lets_in_one_per_period() {
        let (tx, rx, stats) = edge("e", Policy::Sample(0.01));
        assert_eq!(tx.send(1), Sent::Accepted);
        assert_eq!(tx.send(2), Sent::Replaced(2));
        assert!(matches!(rx.poll(), Received::Item(1, _)));
        assert_eq!(counts(&stats), [2, 1, 1, 0]);
    }
}
