//! Every set of instructions against the portable one.
