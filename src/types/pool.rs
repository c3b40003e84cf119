//! Buffers that return to their pool when the last owner lets go, so that a steady stream allocates nothing.
//!
//! *Invariant*: a [`Buffer`] never grows. A pool keeps at most `limit` idle buffers;
//! what it cannot keep is freed, what it cannot supply is allocated and counted as a miss.

use serde::Serialize;
use std::ops::{Deref, DerefMut};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// A pool of equal-typed buffers.
#[derive(Debug, Clone)]
pub struct Pool<T> {
    shelf: Arc<Shelf<T>>,
}

#[derive(Debug)]
struct Shelf<T> {
    idle: Mutex<Vec<Vec<T>>>,
    limit: usize,
    out: AtomicUsize,
    peak: AtomicUsize,
    taken: AtomicU64,
    misses: AtomicU64,
}

/// How full a pool is, for the report.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct PoolFill {
    /// Buffers in use now.
    pub in_use: usize,
    /// Most buffers ever in use at once.
    pub peak: usize,
    /// Buffers handed out in all.
    pub taken: u64,
    /// Of these, how many had to be allocated.
    pub misses: u64,
}

impl<T: Copy + Default> Pool<T> {
    /// A pool that keeps up to `limit` idle buffers.
    pub fn new(limit: usize) -> Self {
        let shelf = Shelf {
            idle: Mutex::new(Vec::with_capacity(limit)),
            limit,
            out: AtomicUsize::new(0),
            peak: AtomicUsize::new(0),
            taken: AtomicU64::new(0),
            misses: AtomicU64::new(0),
        };
        Self { shelf: Arc::new(shelf) }
    }
    /// A buffer of `len` elements; their values are what the last user left, or the default.
    pub fn take(&self, len: usize) -> Buffer<T> {
        let shelf = &self.shelf;
        let idle = shelf.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
        shelf.taken.fetch_add(1, Ordering::Relaxed);
        let mut data = idle.unwrap_or_default();
        if data.capacity() < len {
            shelf.misses.fetch_add(1, Ordering::Relaxed);
        }
        data.resize(len, T::default());
        let out = shelf.out.fetch_add(1, Ordering::Relaxed) + 1;
        shelf.peak.fetch_max(out, Ordering::Relaxed);
        Buffer { data, home: Some(Arc::clone(shelf)) }
    }
    /// How full it is.
    pub fn fill(&self) -> PoolFill {
        PoolFill {
            in_use: self.shelf.out.load(Ordering::Relaxed),
            peak: self.shelf.peak.load(Ordering::Relaxed),
            taken: self.shelf.taken.load(Ordering::Relaxed),
            misses: self.shelf.misses.load(Ordering::Relaxed),
        }
    }
}

/// A buffer, pooled or not. Reads and writes like a slice.
#[derive(Debug)]
pub struct Buffer<T> {
    data: Vec<T>,
    home: Option<Arc<Shelf<T>>>,
}

impl<T> From<Vec<T>> for Buffer<T> {
    fn from(data: Vec<T>) -> Self {
        Self { data, home: None }
    }
}
impl<T> Buffer<T> {
    /// Keeps the first `len` elements; for whoever knows only a bound when it takes the buffer.
    pub fn shorten(&mut self, len: usize) {
        self.data.truncate(len);
    }
}
impl<T> Deref for Buffer<T> {
    type Target = [T];
    fn deref(&self) -> &[T] {
        &self.data
    }
}
impl<T> DerefMut for Buffer<T> {
    fn deref_mut(&mut self) -> &mut [T] {
        &mut self.data
    }
}
/// A clone is a plain copy outside any pool.
impl<T: Clone> Clone for Buffer<T> {
    fn clone(&self) -> Self {
        self.data.clone().into()
    }
}
impl<T: PartialEq> PartialEq for Buffer<T> {
    fn eq(&self, other: &Self) -> bool {
        self.data == other.data
    }
}
impl<T> Drop for Buffer<T> {
    fn drop(&mut self) {
        if let Some(home) = self.home.take() {
            home.out.fetch_sub(1, Ordering::Relaxed);
            let mut idle = home.idle.lock().unwrap_or_else(PoisonError::into_inner);
            if idle.len() < home.limit {
                idle.push(std::mem::take(&mut self.data));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_returned_buffer_is_used_again() {
        let pool = Pool::<u8>::new(2);
        let first = pool.take(100);
        let address = first.as_ptr();
        drop(first);
        assert_eq!(pool.take(100).as_ptr(), address);
        assert_eq!(pool.fill(), PoolFill { in_use: 0, peak: 1, taken: 2, misses: 1 });
    }
}
