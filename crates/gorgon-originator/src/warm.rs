//! `--warm`: the application stays loaded between runs in place, in a process of its own, the keeper.
//!
//! ```text
//!  gorgon-originator ──── watch ────▶ gorgon-originator warm keep ── ruby, kept ── ruby, preloader of one job ── …
//!       gorgon-worker-manager ─ want ──▶ (session of its own)
//! ```
//!
//! `begin` finds the keeper of a project, or starts one. `keep` is the keeper: it has the boot recorded, proves before
//! each use that a new one would read the same, and ends what it keeps. `command` is `warm status` and `warm stop`.

mod begin;
pub mod command;
pub mod keep;
mod loaded;
mod memory;
mod place;
mod surroundings;

pub(crate) use begin::{Told, Unwanted, Warm, begin, is_possible};
