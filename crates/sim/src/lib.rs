//! A simulated disk, and how a programme of tests on it is sized and replayed.
//!
//! [`SimDisk`] is one disk with directories, held in memory; [`SimDisk::directory`] gives a
//! [`journal::Disk`] for each. It refuses operation N ([`Fault`]), and it loses power: what was not
//! synced is then there, not there, or there in part, sector by sector and entry by entry, in any
//! combination ([`SimDisk::after_power_loss`], or [`WriteLog`] for every moment of a whole run).
//! An [`Image`] is what a start would find, and can be damaged by hand.
//!
//! Knows bytes, names and operations. What was promised about them is judged elsewhere: by the
//! journal's own tests, and by `check`.
//!
//! ```
//! use journal::{Journal, Options};
//! use sim::{Random, SimDisk};
//!
//! let disk = SimDisk::new();
//! let (journal, _) = Journal::open(disk.directory("messages"), Options::default(), &mut |_| {})?;
//! let position = journal.append(1, &[b"hello"])?;
//! journal.commit()?;
//! journal.append(1, &[b"not committed"])?;
//! for image in disk.after_power_loss(&mut Random::new(1), 8) {
//!     let found = SimDisk::from_image(image).directory("messages");
//!     let (journal, recovery) = Journal::open(found, Options::default(), &mut |_| {})?;
//!     assert_eq!(recovery.records, 1);
//!     assert_eq!(journal.read(position)?, "hello");
//! }
//! # Ok::<(), journal::Error>(())
//! ```
#![forbid(unsafe_code)]

mod change;
mod directory;
mod fault;
mod image;
mod power_loss;
mod programme;
mod random;
mod sim_disk;
mod write_log;

pub use fault::{Fault, Hits};
pub use image::Image;
pub use power_loss::{Losses, SECTOR_BYTES};
pub use programme::{Programme, Replay, is_torture};
pub use random::Random;
pub use sim_disk::SimDisk;
pub use write_log::{PowerLoss, WriteLog};
