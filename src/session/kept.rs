//! What stands in the cache -> bytes, kept here for a while or in a file for good, and back into the cache.
//!
//! The device has one cache. Where several conversations take turns on it, what one of them leaves is kept in the host's
//! memory when another overwrites it, as far as there is room, and brought back for its next turn: to the bit, so that an
//! answer that was interrupted goes on as if nothing had happened. A file says which model it is of, how its keys and values
//! stand, and by which passes they came there.

use super::generation::Generation;
use super::ledger::{Ledger, Pass};
use super::model::Model;
use crate::executor::CacheLayout;
use crate::{Error, Result};

/// So many positions are worth a copy; fewer are quickly computed again.
const WORTH: usize = 32;
/// "ORKV", and which arrangement of the words follows.
const MAGIC: u32 = u32::from_le_bytes(*b"ORKV");
const VERSION: u32 = 1;
/// Words before the passes.
const HEAD: usize = 11;
/// Every so many bytes of the files one is taken for the model's mark.
const STRIDE: u64 = 61;
/// FNV-1a's.
const BASIS: u64 = 0xcbf2_9ce4_8422_2325;
const PRIME: u64 = 0x0100_0000_01b3;

fn mix(hash: u64, word: u64) -> u64 {
    (hash ^ word).wrapping_mul(PRIME)
}

/// What tells a model's weights from others: a hash over some of the bytes of its files.
#[derive(Debug, Clone, Copy)]
pub(super) struct Mark(u64);

impl Mark {
    pub(super) fn new() -> Mark {
        Mark(BASIS)
    }

    /// Bytes of a file, which come after `before` of it; in chunks of any size.
    pub(super) fn see(&mut self, before: u64, bytes: &[u8]) {
        let skip = (STRIDE - before % STRIDE) % STRIDE;
        let some = bytes.iter().skip(skip as usize).step_by(STRIDE as usize);
        self.0 = some.fold(self.0, |hash, byte| mix(hash, u64::from(*byte)));
    }

    /// With the formats that the weights were turned into.
    fn with(self, formats: &[super::FormatUse]) -> u64 {
        formats.iter().fold(self.0, |hash, entry| {
            let hash = entry.format.name().bytes().fold(hash, |hash, byte| mix(hash, byte.into()));
            mix(hash, entry.bytes)
        })
    }
}

/// Keys and values of some first positions.
struct Kept {
    tokens: Vec<u32>,
    passes: Vec<Pass>,
    bytes: Vec<u8>,
}

/// What was in the cache and is no more, the least recently used first.
#[derive(Default)]
pub(super) struct Shelf {
    /// Bytes that it may take.
    room: usize,
    kept: Vec<Kept>,
}

impl Shelf {
    /// Takes out what shares the longest beginning with `tokens`, if `least` tokens at least.
    fn take(&mut self, tokens: &[u32], least: usize) -> Option<Kept> {
        let shared = |kept: &Kept| common(&kept.tokens, tokens);
        let place = (0..self.kept.len()).max_by_key(|place| shared(&self.kept[*place]))?;
        (shared(&self.kept[place]) >= least).then(|| self.kept.remove(place))
    }

    fn put(&mut self, kept: Kept) {
        self.kept.retain(|other| !kept.tokens.starts_with(&other.tokens));
        self.kept.push(kept);
        while self.kept.iter().map(|kept| kept.bytes.len()).sum::<usize>() > self.room {
            self.kept.remove(0);
        }
    }
}

fn common(a: &[u32], b: &[u32]) -> usize {
    a.iter().zip(b).take_while(|(a, b)| a == b).count()
}

impl Model {
    /// Says how many bytes of what stood in the cache may be kept in memory for a later turn; none without a word.
    pub fn keep_caches(&mut self, bytes: usize) {
        self.shelf.room = bytes;
        self.shelf.kept.clear();
    }

    /// Makes the cache ready for an answer that others took turns with: what stands there for one of them is kept, and what
    /// was kept of this one is brought back. Nothing is done where the answer had the last turn.
    ///
    /// # Errors
    /// Where the device is lost.
    pub async fn bring(&mut self, answer: &Generation) -> Result<()> {
        if self.turn == Some(answer.number()) {
            return Ok(());
        }
        self.exchange(answer.history()).await
    }

    /// The same for tokens.
    async fn exchange(&mut self, tokens: &[u32]) -> Result<()> {
        self.turn = None;
        self.land().await?;
        if self.shelf.room == 0 || self.ledger.next_owed().is_some() {
            return Ok(());
        }
        let here = self.reusable(tokens);
        let brought = self.shelf.take(tokens, here + WORTH);
        if self.cached.len() - here >= WORTH {
            self.park().await?;
        }
        match brought {
            Some(kept) => self.put_back(kept),
            None => Ok(()),
        }
    }

    /// Keeps what stands in the cache, where there is room for it.
    async fn park(&mut self) -> Result<()> {
        let positions = self.cached.len() as u32;
        if self.layout()?.bytes(positions) > self.shelf.room as u64 {
            return Ok(());
        }
        match self.executor().read_cache(positions).await {
            Ok(bytes) => {
                self.shelf.put(Kept { tokens: self.cached.clone(), passes: self.ledger.passes().to_vec(), bytes });
                Ok(())
            }
            // It is computed again then.
            Err(Error::Memory(_)) => Ok(()),
            Err(error) => Err(error),
        }
    }

    fn put_back(&mut self, kept: Kept) -> Result<()> {
        self.forget();
        self.executor().write_cache(kept.tokens.len() as u32, &kept.bytes)?;
        self.ledger = Ledger::standing(kept.passes);
        self.cached = kept.tokens;
        Ok(())
    }

    fn layout(&self) -> Result<CacheLayout> {
        self.cache_layout().ok_or_else(|| Error::Device("there is no cache".into()))
    }

    /// Keys and values of as many of the first tokens as stand in the cache, or were kept, as bytes for a file. Elsewhere
    /// [`load_cache`](Model::load_cache) takes them, with the same model on the same kind of device.
    ///
    /// # Errors
    /// [`Error::Memory`] where there is none for a copy; where the device is lost.
    pub async fn save_cache(&mut self, tokens: &[u32]) -> Result<Vec<u8>> {
        self.exchange(tokens).await?;
        if common(&self.cached, tokens) > 0 {
            while self.repay(tokens).await?.is_some() {}
        }
        let positions = common(&self.cached, tokens) as u32;
        let mut ledger = self.ledger.clone();
        ledger.cut(positions);
        let bytes = self.executor().read_cache(positions).await?;
        let mut words = self.head()?.to_vec();
        words.extend([positions, ledger.passes().len() as u32]);
        for pass in ledger.passes() {
            words.extend([pass.start, u32::from(pass.alone), pass.tokens.len() as u32]);
            words.extend_from_slice(&pass.tokens);
        }
        let mut file: Vec<u8> = words.into_iter().flat_map(u32::to_le_bytes).collect();
        file.extend_from_slice(&bytes);
        let sum = words_of(&file).fold(BASIS, |hash, word| mix(hash, word.into()));
        file.extend(sum.to_le_bytes());
        Ok(file)
    }

    /// Takes such bytes into the cache; what stood there is kept as for another's turn. How many positions they were.
    ///
    /// # Errors
    /// [`Error::File`] for other bytes; [`Error::Model`] where they are of another model, device, format of the cache or
    /// version; [`Error::Context`] for more positions than there are.
    pub async fn load_cache(&mut self, file: &[u8]) -> Result<usize> {
        let kept = self.read_file(file)?;
        let positions = kept.tokens.len();
        self.turn = None;
        self.land().await?;
        let lost = self.cached.len() - common(&self.cached, &kept.tokens);
        if lost >= WORTH && self.ledger.next_owed().is_none() {
            self.park().await?;
        }
        self.put_back(kept)?;
        Ok(positions)
    }

    /// The first words of a file: what it is, which model it is of, how keys and values stand.
    fn head(&self) -> Result<[u32; HEAD - 2]> {
        let mark = self.mark.with(&self.info().formats);
        let CacheLayout { layers, kv_heads, tile, cells, cell_bytes, .. } = self.layout()?;
        Ok([MAGIC, VERSION, mark as u32, (mark >> 32) as u32, layers, kv_heads, tile, cells, cell_bytes])
    }

    fn read_file(&self, file: &[u8]) -> Result<Kept> {
        let damaged = || Error::File("a saved cache is damaged, or not all of it".into());
        let (body, sum) = file.split_last_chunk::<8>().ok_or_else(damaged)?;
        let mut words = words_of(body);
        let (mut head, here) = ([0; HEAD], self.head()?);
        for word in &mut head {
            *word = words.next().ok_or_else(damaged)?;
        }
        if head[0] != MAGIC {
            return Err(Error::File("these bytes are no saved cache".into()));
        }
        let other = |what: &str| Err(Error::Model(format!("the saved cache is {what}")));
        if head[1] != VERSION {
            return other("of another version");
        }
        if body.len() % 4 != 0
            || words_of(body).fold(BASIS, |hash, word| mix(hash, word.into())) != u64::from_le_bytes(*sum)
        {
            return Err(damaged());
        }
        if head[2..6] != here[2..6] {
            return other("of another model, or of other weights of it");
        }
        if head[6..9] != here[6..9] {
            return other("of another kind of device, or of another format");
        }
        let [.., positions, count] = head;
        if positions > self.context() {
            let context = self.context();
            return Err(Error::Context(format!("the saved cache has {positions} positions, the context {context}")));
        }
        let mut passes = Vec::new();
        for _ in 0..count {
            let mut next = || words.next().ok_or_else(damaged);
            let (start, alone, length) = (next()?, next()? == 1, next()? as usize);
            let tokens: Vec<u32> = words.by_ref().take(length).collect();
            if tokens.len() < length || tokens.iter().any(|token| *token >= self.shape().vocab) {
                return Err(damaged());
            }
            passes.push(Pass { start, alone, tokens });
        }
        let mut tokens = Ledger::owing(passes.clone()).map_err(|_| damaged())?.tokens();
        let bytes = &body[body.len() - words.len() * 4..];
        if tokens.len() < positions as usize || bytes.len() as u64 != self.layout()?.bytes(positions) {
            return Err(damaged());
        }
        tokens.truncate(positions as usize);
        Ok(Kept { tokens, passes, bytes: bytes.to_vec() })
    }
}

fn words_of(bytes: &[u8]) -> impl ExactSizeIterator<Item = u32> {
    bytes.as_chunks::<4>().0.iter().map(|word| u32::from_le_bytes(*word))
}
