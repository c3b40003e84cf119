//! A hash table from cells to numbers, made for being filled once and asked often.
//!
//! *In*: keys of 64 bits. *Out*: numbers of 32 bits. *Invariant*: at most half full, so every walk ends; `u64::MAX` is no key.

const FREE: u64 = u64::MAX;

/// Open addressing with linear steps.
#[derive(Debug, Clone)]
pub(super) struct Slots {
    entries: Vec<(u64, u32)>,
    shift: u32,
    used: usize,
}

impl Slots {
    /// Room for `count` keys.
    pub(super) fn new(count: usize) -> Self {
        let size = (2 * count.max(8)).next_power_of_two();
        Self { entries: vec![(FREE, 0); size], shift: 64 - size.trailing_zeros(), used: 0 }
    }

    /// Fibonacci hashing: the upper bits of a product.
    #[inline]
    fn start(&self, key: u64) -> usize {
        usize::try_from(key.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> self.shift).unwrap_or(0)
    }

    /// The number of `key`.
    #[inline]
    pub(super) fn get(&self, key: u64) -> Option<u32> {
        let mask = self.entries.len() - 1;
        let mut at = self.start(key);
        loop {
            let (found, number) = *self.entries.get(at)?;
            if found == key {
                return Some(number);
            }
            if found == FREE {
                return None;
            }
            at = (at + 1) & mask;
        }
    }

    /// The number of `key`; `number` if it had none, which it then has.
    #[inline]
    pub(super) fn insert(&mut self, key: u64, number: u32) -> u32 {
        if 2 * (self.used + 1) > self.entries.len() {
            let old = std::mem::replace(self, Self::new(self.entries.len()));
            for (key, number) in old.entries.into_iter().filter(|(key, _)| *key != FREE) {
                self.insert(key, number);
            }
        }
        let mask = self.entries.len() - 1;
        let mut at = self.start(key);
        while let Some(entry) = self.entries.get_mut(at) {
            if entry.0 == key {
                return entry.1;
            }
            if entry.0 == FREE {
                *entry = (key, number);
                self.used += 1;
                return number;
            }
            at = (at + 1) & mask;
        }
        number
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_grows_and_finds_everything() {
        let mut slots = Slots::new(1);
        for i in 0..5000_u32 {
            assert_eq!(slots.insert(u64::from(i) * 65_536, i), i);
            assert_eq!(slots.insert(u64::from(i) * 65_536, 7), i);
        }
        assert!((0..5000_u32).all(|i| slots.get(u64::from(i) * 65_536) == Some(i)));
        assert_eq!(slots.get(3), None);
    }
}
