//! What the plain reference functions read and write: rows of f32.

use crate::plan::View;

/// Columns of rows: row `t` is `data[t * stride + start ..][.. width]`.
#[derive(Clone, Copy)]
pub struct Rows<'a> {
    data: &'a [f32],
    stride: usize,
    start: usize,
    /// Values in a row.
    pub width: usize,
}

impl<'a> Rows<'a> {
    /// A view of a tensor whose rows are `stride` values apart.
    pub fn new(data: &'a [f32], stride: usize, view: View) -> Rows<'a> {
        Rows { data, stride, start: view.start as usize, width: view.width as usize }
    }

    /// A tensor of rows side by side, all of it.
    pub fn whole(data: &'a [f32], width: usize) -> Rows<'a> {
        Rows { data, stride: width, start: 0, width }
    }

    /// Columns of these columns.
    pub fn columns(&self, start: usize, width: usize) -> Rows<'a> {
        Rows { start: self.start + start, width, ..*self }
    }

    /// Row `t`.
    pub fn row(&self, t: usize) -> &'a [f32] {
        &self.data[t * self.stride + self.start..][..self.width]
    }
}

/// Columns of rows to write.
pub struct RowsMut<'a> {
    data: &'a mut [f32],
    stride: usize,
    start: usize,
    /// Values in a row.
    pub width: usize,
}

impl<'a> RowsMut<'a> {
    /// A view of a tensor whose rows are `stride` values apart.
    pub fn new(data: &'a mut [f32], stride: usize, view: View) -> RowsMut<'a> {
        RowsMut { data, stride, start: view.start as usize, width: view.width as usize }
    }

    /// A tensor of rows side by side, all of it.
    pub fn whole(data: &'a mut [f32], width: usize) -> RowsMut<'a> {
        RowsMut { data, stride: width, start: 0, width }
    }

    /// Row `t`.
    pub fn row(&mut self, t: usize) -> &mut [f32] {
        &mut self.data[t * self.stride + self.start..][..self.width]
    }
}
