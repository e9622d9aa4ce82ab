//! The two declarations of a face, its parameters and its kernel, and the text of a shader.

/// Declares `Params`: 4-byte scalars only, so that the order is the layout in WGSL too.
macro_rules! params {
    (struct Params { $($field:ident: $scalar:ident),* $(,)? }) => {
        /// The uniform of group 1, binding 0.
        #[repr(C)]
        #[derive(Clone, Copy, bytemuck::Pod, bytemuck::Zeroable)]
        struct Params { $($field: $scalar),* }

        impl Params {
            const FIELDS: &'static [(&'static str, &'static str)] = &[$((stringify!($field), stringify!($scalar))),*];
        }
    };
}

/// A [`Kernel`](super::Kernel) of the file of that name.
macro_rules! kernel {
    ($name:literal, workgroup $workgroup:expr, $params:ty, [$($binding:expr),* $(,)?]) => {
        $crate::kernels::Kernel {
            name: $name,
            source: $crate::kernels::macros::wgsl!($name),
            workgroup: $workgroup,
            bindings: &[$($binding),*],
            params: <$params>::FIELDS,
            subgroups: false,
        }
    };
}

/// The text of `shaders/NAME.wgsl`, without its comments (`build.rs` takes them out).
macro_rules! wgsl {
    ($name:literal) => {
        include_str!(concat!(env!("OUT_DIR"), "/shaders/", $name, ".wgsl"))
    };
}
pub(crate) use wgsl;
