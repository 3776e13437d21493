//! The working memory of one worker, kept from hash to hash.

use std::collections::TryReserveError;

use argon2::Block;

/// glibc maps an allocation above 32 MiB on its own whatever it freed before, and gives it back to the system when it
/// is freed; smaller ones can stay in the process for ever. What is reserved but not touched costs nothing.
const RESERVED_BLOCKS: usize = 33 * 1024;

/// Blocks of 1 KiB that outlive a hash: fresh pages for each one cost 2 to 7 % of its time (19 MiB, two passes). They
/// are not wiped between hashes, which would cost 1 to 3 %: the next hash overwrites them, an idle worker unmaps them.
pub(super) struct Memory {
    blocks: Vec<Block>,
    kept: usize,
}

impl Memory {
    /// Keeps at most `kept` blocks. Takes no memory yet.
    pub(super) const fn new(kept: usize) -> Self {
        Self { blocks: Vec::new(), kept }
    }

    /// Runs `work` on `count` blocks: the kept ones, or, when they are too few, blocks of its own that end with it.
    pub(super) fn with<T>(&mut self, count: usize, work: impl FnOnce(&mut [Block]) -> T) -> Result<T, TryReserveError> {
        if count > self.kept {
            return Ok(work(allocate(count)?.as_mut_slice()));
        }
        if self.blocks.is_empty() {
            self.blocks = allocate(self.kept)?;
        }
        Ok(work(self.blocks.get_mut(..count).unwrap_or_default()))
    }

    /// Whether nothing is held.
    pub(super) fn is_released(&self) -> bool {
        self.blocks.capacity() == 0
    }

    /// Gives the memory back. The system clears pages before it hands them to anybody.
    pub(super) fn release(&mut self) {
        self.blocks = Vec::new();
    }
}

fn allocate(count: usize) -> Result<Vec<Block>, TryReserveError> {
    let mut blocks = Vec::new();
    blocks.try_reserve_exact(count.max(RESERVED_BLOCKS))?;
    blocks.resize(count, Block::new());
    Ok(blocks)
}
