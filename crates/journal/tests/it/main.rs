//! The journal on a simulated disk that fails, loses power and lies, and on a real one.

mod damage;
mod failing_disk;
mod model;
mod power_loss;
mod random;
mod sim_disk;
