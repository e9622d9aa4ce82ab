//! A GGUF header's bytes -> its primitives, as far as the bytes that have come reach.

use crate::Error;
use serde_json::{Number, Value};

/// Why nothing was read.
#[derive(Debug)]
pub(super) enum Stop {
    /// The bytes end here; more may come.
    More,
    /// The bytes make no sense.
    Bad(Error),
}

impl From<Error> for Stop {
    fn from(error: Error) -> Stop {
        Stop::Bad(error)
    }
}

pub(super) type Read<T> = Result<T, Stop>;

/// A place in the header's bytes. Reading moves on only as far as whole values are there.
pub(super) struct Cursor<'a> {
    bytes: &'a [u8],
    pub at: usize,
    /// What the header may still take from `bytes`' first on: longer texts are refused, not awaited.
    limit: u64,
}

impl<'a> Cursor<'a> {
    pub fn new(bytes: &'a [u8], limit: u64) -> Cursor<'a> {
        Cursor { bytes, at: 0, limit }
    }

    pub fn array<const N: usize>(&mut self) -> Read<[u8; N]> {
        let taken = self.bytes.get(self.at..).and_then(|rest| rest.first_chunk::<N>()).ok_or(Stop::More)?;
        self.at += N;
        Ok(*taken)
    }

    pub fn u32(&mut self) -> Read<u32> {
        self.array().map(u32::from_le_bytes)
    }

    pub fn u64(&mut self) -> Read<u64> {
        self.array().map(u64::from_le_bytes)
    }

    /// A text: its length as a u64, then UTF-8.
    pub fn text(&mut self) -> Read<&'a str> {
        let mut ahead = Cursor { at: self.at, ..*self };
        let length = ahead.u64()?;
        if length > self.limit.saturating_sub(ahead.at as u64) {
            return Err(Error::File(format!("a text of {length} bytes, more than the header can hold")).into());
        }
        let rest = &self.bytes[ahead.at..];
        // The limit is far below what a usize holds, and so is the length.
        let text = rest.get(..length as usize).ok_or(Stop::More)?;
        let text = str::from_utf8(text).map_err(|error| {
            Error::File(format!("a text that is no UTF-8 from its byte {} on", error.valid_up_to()))
        })?;
        self.at = ahead.at + length as usize;
        Ok(text)
    }

    /// A value of a type by its number; arrays are no values here.
    pub fn value(&mut self, kind: u32) -> Read<Value> {
        Ok(match kind {
            0 => self.array::<1>()?[0].into(),
            1 => (self.array::<1>()?[0] as i8).into(),
            2 => u16::from_le_bytes(self.array()?).into(),
            3 => i16::from_le_bytes(self.array()?).into(),
            4 => self.u32()?.into(),
            5 => i32::from_le_bytes(self.array()?).into(),
            6 => float(f32::from_le_bytes(self.array()?).into()),
            BOOL => match self.array()? {
                [0] => false.into(),
                [1] => true.into(),
                [other] => return Err(Error::File(format!("a truth value of {other}, expected 0 or 1")).into()),
            },
            TEXT => self.text()?.into(),
            10 => self.u64()?.into(),
            11 => i64::from_le_bytes(self.array()?).into(),
            12 => float(f64::from_le_bytes(self.array()?)),
            other => return Err(Error::File(format!("a value of the unknown type {other}")).into()),
        })
    }
}

const BOOL: u32 = 7;
/// The number of the type of texts.
pub(super) const TEXT: u32 = 8;
/// The number of the type of arrays.
pub(super) const ARRAY: u32 = 9;

/// Bytes that a value of a type takes at least; `None` for what is no type of value.
pub(super) fn least_bytes(kind: u32) -> Option<u64> {
    match kind {
        0 | 1 | BOOL => Some(1),
        2 | 3 => Some(2),
        4..=6 => Some(4),
        TEXT | 10..=12 => Some(8),
        _ => None,
    }
}

/// What JSON cannot hold is kept as its name, so that whoever needs a number is told what stands there.
fn float(value: f64) -> Value {
    Number::from_f64(value).map_or_else(|| value.to_string().into(), Value::Number)
}
