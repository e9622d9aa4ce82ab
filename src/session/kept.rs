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

/// So many positions are worth a copy; fewer are quickly computed again, unless an answer is to go on from them to the bit.
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

    /// With the formats that the weights were turned into, and with what was computed aside for this context: there are
    /// models whose rotations depend on it.
    fn with(self, formats: &[super::FormatUse], aside: u64) -> u64 {
        formats.iter().fold(mix(self.0, aside), |hash, entry| {
            let hash = entry.format.name().bytes().fold(hash, |hash, byte| mix(hash, byte.into()));
            mix(hash, entry.bytes)
        })
    }
}

/// A hash over the first of some values, those of two positions: enough to tell rotations apart, and the same for a larger
/// context.
pub(super) fn hash_of(values: &[f32], context: u32) -> u64 {
    values
        .iter()
        .take(2 * values.len() / context.max(1) as usize)
        .fold(BASIS, |hash, value| mix(hash, value.to_bits().into()))
}

/// Keys and values of some first positions.
struct Kept {
    /// The number of the answer that was interrupted there, if one was.
    owner: Option<u64>,
    tokens: Vec<u32>,
    passes: Vec<Pass>,
    /// None where they are still to be made, by the passes.
    bytes: Option<Vec<u8>>,
}

impl Kept {
    fn is_of(&self, number: Option<u64>) -> bool {
        number.is_some() && self.owner == number
    }

    fn size(&self) -> usize {
        self.bytes.as_ref().map_or(0, Vec::len) + 2 * size_of_val(&self.tokens[..])
    }
}

/// What was in the cache and is no more, the least recently used first.
#[derive(Default)]
pub(super) struct Shelf {
    /// Bytes that it may take.
    room: usize,
    kept: Vec<Kept>,
}

impl Shelf {
    /// Takes out what shares the longest beginning with `tokens`, if that is enough more than `here`.
    fn take(&mut self, tokens: &[u32], here: usize, number: Option<u64>) -> Option<Kept> {
        let gain = |kept: &Kept| {
            let more = common(&kept.tokens, tokens).saturating_sub(here);
            let least = if kept.bytes.is_none() || kept.is_of(number) { 1 } else { WORTH };
            if more >= least { more } else { 0 }
        };
        let place = (0..self.kept.len()).max_by_key(|place| gain(&self.kept[*place]))?;
        (gain(&self.kept[place]) > 0).then(|| self.kept.remove(place))
    }

    /// Lets the least recently used go until there is room for so many bytes more, or nothing is left.
    fn make_room(&mut self, bytes: usize) {
        while !self.kept.is_empty() && self.kept.iter().map(Kept::size).sum::<usize>() + bytes > self.room {
            self.kept.remove(0);
        }
    }

    fn put(&mut self, kept: Kept) {
        self.kept.retain(|other| !kept.tokens.starts_with(&other.tokens));
        self.make_room(kept.size());
        if kept.size() <= self.room {
            self.kept.push(kept);
        }
    }

    /// What is the first to go, and goes at once where there is no room.
    fn put_first(&mut self, kept: Kept) {
        if kept.size() + self.kept.iter().map(Kept::size).sum::<usize>() <= self.room {
            self.kept.insert(0, kept);
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
        if self.turn == Some(answer.number()) || answer.finish_reason().is_some() {
            return Ok(());
        }
        self.exchange(answer.history(), Some(answer.number())).await
    }

    /// Says that an answer has ended, or is given up: nobody goes on from it to the bit.
    pub fn release(&mut self, answer: &Generation) {
        let number = Some(answer.number());
        self.turn = self.turn.filter(|_| self.turn != number);
        self.shelf.kept.retain(|kept| kept.owner != number || kept.tokens.len() >= WORTH);
    }

    /// Keeps what stands in the cache, for what overwrites it without a look.
    ///
    /// # Errors
    /// Where the device is lost.
    pub async fn set_aside(&mut self) -> Result<()> {
        self.exchange(&[], None).await
    }

    /// The same as for an answer, for tokens.
    async fn exchange(&mut self, tokens: &[u32], number: Option<u64>) -> Result<()> {
        let interrupted = self.turn.take();
        self.land().await?;
        let here = self.reusable(tokens);
        let brought = self.shelf.take(tokens, here, number);
        let least = if interrupted.is_some() { 1 } else { WORTH };
        if self.cached.len() - here >= least {
            self.park(interrupted, brought.as_ref().map_or(0, Kept::size)).await?;
        }
        let Some(kept) = brought else { return Ok(()) };
        let is_all = kept.is_of(number) || tokens.starts_with(&kept.tokens);
        self.put_back(&kept)?;
        if !is_all {
            // Somebody else may go on from its end.
            self.shelf.put_first(kept);
        }
        Ok(())
    }

    /// Keeps what stands in the cache, or is owed to it, where there is room for it beside so many bytes.
    async fn park(&mut self, owner: Option<u64>, beside: usize) -> Result<()> {
        let positions = self.cached.len() as u32;
        let bytes = match self.ledger.next_owed() {
            Some(_) => None,
            None if self.layout()?.bytes(positions) > self.shelf.room as u64 => return Ok(()),
            None => {
                // Ahead of the copy, so that there is never more than the room and what is brought.
                self.shelf.make_room(self.layout()?.bytes(positions) as usize + beside);
                match self.executor().read_cache(positions).await {
                    Ok(bytes) => Some(bytes),
                    // It is computed again then.
                    Err(Error::Memory(_)) => return Ok(()),
                    Err(error) => return Err(error),
                }
            }
        };
        self.shelf.put(Kept { owner, tokens: self.cached.clone(), passes: self.ledger.passes().to_vec(), bytes });
        Ok(())
    }

    fn put_back(&mut self, Kept { tokens, passes, bytes, .. }: &Kept) -> Result<()> {
        let (tokens, passes) = (tokens.clone(), passes.clone());
        match bytes {
            Some(bytes) => self.fill(tokens, passes, bytes),
            None => {
                (self.ledger, self.cached) = (Ledger::owing(passes)?, tokens);
                Ok(())
            }
        }
    }

    fn fill(&mut self, tokens: Vec<u32>, passes: Vec<Pass>, bytes: &[u8]) -> Result<()> {
        self.forget();
        self.executor().write_cache(tokens.len() as u32, bytes)?;
        (self.ledger, self.cached) = (Ledger::standing(passes), tokens);
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
        self.exchange(tokens, None).await?;
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
        let rest = bytes.len() + size_of::<u64>();
        file.try_reserve_exact(rest).map_err(|_| Error::Memory(format!("no room for a file of {rest} bytes")))?;
        file.extend_from_slice(&bytes);
        let sum = words_of(&file).fold(BASIS, |hash, word| mix(hash, word.into()));
        file.extend(sum.to_le_bytes());
        Ok(file)
    }

    /// Looks at the first bytes of a saved cache, of which there are `length` in all: whether the rest is worth a look.
    ///
    /// # Errors
    /// As [`load_cache`](Model::load_cache).
    pub fn check_saved(&self, first: &[u8], length: u64) -> Result<()> {
        let head = self.read_head(first)?;
        let [.., positions, _] = head;
        // Passes with the tokens of each: no more than one begins at a position.
        let words = HEAD as u64 + u64::from(positions) * (3 + u64::from(self.most_rows()));
        let most = 4 * words + self.layout()?.bytes(positions) + size_of::<u64>() as u64;
        if length > most { Err(damaged()) } else { Ok(()) }
    }

    /// Takes such bytes into the cache; what stood there is kept as for another's turn. How many positions they were.
    ///
    /// # Errors
    /// [`Error::File`] for other bytes; [`Error::Model`] where they are of another model, device, format of the cache or
    /// version; [`Error::Context`] for more positions than there are.
    pub async fn load_cache(&mut self, file: &[u8]) -> Result<usize> {
        let (tokens, passes, bytes) = self.read_file(file)?;
        let positions = tokens.len();
        self.set_aside().await?;
        self.fill(tokens, passes, bytes)?;
        Ok(positions)
    }

    /// The first words of a file: what it is, which model it is of, how keys and values stand.
    fn head(&self) -> Result<[u32; HEAD - 2]> {
        let mark = self.mark.with(&self.info().formats, self.aside());
        let CacheLayout { layers, kv_heads, tile, cells, cell_bytes, .. } = self.layout()?;
        Ok([MAGIC, VERSION, mark as u32, (mark >> 32) as u32, layers, kv_heads, tile, cells, cell_bytes])
    }

    /// The head of a file that is of this model, in this layout, and of no more positions than there are.
    fn read_head(&self, file: &[u8]) -> Result<[u32; HEAD]> {
        let (mut words, mut head, here) = (words_of(file), [0; HEAD], self.head()?);
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
        if head[2..6] != here[2..6] {
            return other("of another model, or of other weights of it");
        }
        if head[6..9] != here[6..9] {
            return other("of another kind of device, or of another format");
        }
        self.fits(head[HEAD - 2] as usize)?;
        Ok(head)
    }

    fn fits(&self, positions: usize) -> Result<()> {
        let context = self.context();
        if positions > context as usize {
            return Err(Error::Context(format!("the saved cache has {positions} positions, the context {context}")));
        }
        Ok(())
    }

    /// What stands in a file: tokens, passes, keys and values.
    fn read_file<'a>(&self, file: &'a [u8]) -> Result<(Vec<u32>, Vec<Pass>, &'a [u8])> {
        let (body, sum) = file.split_last_chunk::<8>().ok_or_else(damaged)?;
        let [.., positions, count] = self.read_head(body)?;
        let is_whole = body.len() % 4 == 0;
        if !is_whole || words_of(body).fold(BASIS, |hash, word| mix(hash, word.into())) != u64::from_le_bytes(*sum) {
            return Err(damaged());
        }
        let mut words = words_of(&body[HEAD * 4..]);
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
        // Where the device is lost, all that a pass ran is to be run again.
        self.fits(tokens.len())?;
        if passes.iter().any(|pass| !pass.alone && pass.tokens.len() > self.most_rows() as usize) {
            return Err(Error::Model("the saved cache is of a device that takes more rows at once".into()));
        }
        tokens.truncate(positions as usize);
        Ok((tokens, passes, bytes))
    }
}

fn damaged() -> Error {
    Error::File("a saved cache is damaged, or not all of it".into())
}

fn words_of(bytes: &[u8]) -> impl ExactSizeIterator<Item = u32> {
    bytes.as_chunks::<4>().0.iter().map(|word| u32::from_le_bytes(*word))
}
