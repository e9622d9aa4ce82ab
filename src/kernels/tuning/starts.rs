//! Who made an adapter -> the kernels to begin with, until a measurement knows better.
//!
//! | adapter | lanes to four rows | tile of several rows | attention | because |
//! | --- | --- | --- | --- | --- |
//! | software | 1 | lane | lane | a barrier costs more there than the sum that it saves: a vocabulary's matrix takes 15 times as long with one |
//! | NVIDIA | 32 | 64x64 | shared | warps of 32; ONNX Runtime's gain from 8 to 32 lanes of a row is a tenth |
//! | AMD | 32 | 64x64 | shared | waves of 32 since RDNA, of 64 before: two teams then share one |
//! | Apple | 16 | 64x64 | shared | SIMD groups of 32; 32 to 64 lanes a row were best of those published, and two of these teams keep as many at work |
//! | Intel | 16 | 32x64 | shared | subgroups of 8 to 32, mostly 16; ONNX Runtime takes 16 lanes a row there, and wide tiles |
//! | Qualcomm, Arm | 16 | 32x32 | shared | waves of 64 and 128 (Adreno), 16 (Mali): small teams fill either, and need no more than four rounds of a sum |
//! | unknown | 16 | 32x32 | shared | the middle of all |
//!
//! Of all these only software was measured by Oriel's authors.

use super::{Choices, Tuning};
use crate::kernels::Variant;
use crate::kernels::matmul::Tile;
use crate::kernels::matvec::Team;

/// Who made an adapter: as much of it as matters here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Vendor {
    /// A rasteriser that runs on the processor: SwiftShader, llvmpipe, WARP.
    Software,
    /// NVIDIA.
    Nvidia,
    /// AMD.
    Amd,
    /// Apple.
    Apple,
    /// Intel.
    Intel,
    /// Qualcomm's Adreno, Arm's Mali, Imagination's PowerVR.
    Mobile,
    /// Not told: browsers keep much to themselves.
    Unknown,
}

/// Words in what adapters call themselves, those of software before those of the makers that it may imitate.
const WORDS: [(&str, Vendor); 18] = [
    ("swiftshader", Vendor::Software),
    ("llvmpipe", Vendor::Software),
    ("lavapipe", Vendor::Software),
    ("basic render", Vendor::Software),
    ("warp", Vendor::Software),
    ("nvidia", Vendor::Nvidia),
    ("geforce", Vendor::Nvidia),
    ("radeon", Vendor::Amd),
    ("amd", Vendor::Amd),
    ("apple", Vendor::Apple),
    ("intel", Vendor::Intel),
    ("qualcomm", Vendor::Mobile),
    ("adreno", Vendor::Mobile),
    ("mali", Vendor::Mobile),
    ("arm", Vendor::Mobile),
    ("powervr", Vendor::Mobile),
    ("img-tec", Vendor::Mobile),
    ("imagination", Vendor::Mobile),
];

impl Vendor {
    /// From all that an adapter says of itself, and its maker's number on the PCI bus, 0 where that is not told.
    pub fn of(words: &str, pci: u32) -> Vendor {
        let words = words.to_lowercase();
        let parts: Vec<&str> = words.split(|c: char| !c.is_ascii_alphanumeric() && c != '-').collect();
        let named = |word: &str| if word.contains(' ') { words.contains(word) } else { parts.contains(&word) };
        if let Some((_, vendor)) = WORDS.iter().find(|(word, _)| named(word)) {
            return *vendor;
        }
        match pci {
            0x10de => Vendor::Nvidia,
            0x1002 | 0x1022 => Vendor::Amd,
            0x106b => Vendor::Apple,
            0x8086 => Vendor::Intel,
            0x5143 | 0x13b5 | 0x1010 => Vendor::Mobile,
            _ => Vendor::Unknown,
        }
    }
}

impl Tuning {
    /// What an adapter begins with.
    pub fn start(vendor: Vendor) -> Tuning {
        let (team, tile) = match vendor {
            Vendor::Software => return Tuning::all(Variant::Lane),
            Vendor::Nvidia | Vendor::Amd => (Team::T32, Tile::Large),
            Vendor::Apple => (Team::T16, Tile::Large),
            Vendor::Intel => (Team::T16, Tile::Wide),
            Vendor::Mobile | Vendor::Unknown => (Team::T16, Tile::Small),
        };
        Tuning { matvec: Choices::all(team), matmul: Choices::all(tile), ..Tuning::all(Variant::Shared) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn makers_are_known_by_their_words_or_numbers() {
        let cases = [
            ("llvmpipe (LLVM 15.0.6, 256 bits)", 0x10005, Vendor::Software),
            ("google swiftshader", 0, Vendor::Software),
            ("SwiftShader Device (LLVM 16.0.0)", 0x1ae0, Vendor::Software),
            ("Microsoft Basic Render Driver", 0x1414, Vendor::Software),
            ("NVIDIA H200", 0x10de, Vendor::Nvidia),
            ("nvidia turing", 0, Vendor::Nvidia),
            ("AMD Radeon RX 7900 XT (RADV NAVI31)", 0x1002, Vendor::Amd),
            ("Apple M2", 0, Vendor::Apple),
            ("apple common-3", 0, Vendor::Apple),
            ("Intel(R) Arc(tm) Graphics", 0x8086, Vendor::Intel),
            ("Mali-G78", 0x13b5, Vendor::Mobile),
            ("arm valhall", 0, Vendor::Mobile),
            ("", 0x10de, Vendor::Nvidia),
            ("unnamed charm", 0, Vendor::Unknown),
        ];
        for (words, pci, vendor) in cases {
            assert_eq!(Vendor::of(words, pci), vendor, "{words}");
        }
    }

    #[test]
    fn software_begins_without_barriers() {
        assert_eq!(Tuning::start(Vendor::Software), Tuning::all(Variant::Lane));
        assert_eq!(Tuning::start(Vendor::Nvidia).matvec.usual, Team::T32);
    }
}
