//! The power fails at every operation: what was synced is there, of the rest any sectors and any
//! directory entries, in any combination.

use std::io::ErrorKind;

use crate::model::{Model, live};
use sim::{Fault, Hits, Programme, Random, SimDisk};

#[test]
fn a_power_loss_at_any_operation_loses_nothing_confirmed() {
    let programme = Programme::new("cargo test -p tubepost-journal --test it at_any_operation");
    let images = programme.size(4000, 500_000);
    for seed in programme.seeds(1000, 1_000_000, &[]) {
        if programme.cases() >= images {
            break;
        }
        let _replay = programme.replay(seed);
        for from in 1.. {
            let disk = SimDisk::new();
            let (for_ever, kind) = (true, ErrorKind::Other);
            disk.set_fault(Some(Fault { from, for_ever, kind, hits: Hits::All }));
            let mut model = Model::default();
            let done = live(&disk, seed, &mut model).is_ok();
            let refused = disk.refused();
            disk.set_fault(None);
            let mut random = Random::new(seed << 32 | from);
            for (index, image) in disk.after_power_loss(&mut random, 24).into_iter().enumerate() {
                let context = format!("seed {seed}, operation {from}, image {index}");
                model.check_and_go_on(&SimDisk::from_image(image), &context);
                programme.count(1);
            }
            if done && refused == 0 {
                break;
            }
        }
    }
    programme.finish("images after a power loss", images);
}

/// The control: were the disk to lie about syncs, these tests would see it.
#[test]
fn a_disk_that_does_not_sync_is_found_out() {
    let disk = SimDisk::new().lie_about_syncs();
    let mut model = Model::default();
    live(&disk, 1, &mut model).unwrap();
    let images = disk.after_power_loss(&mut Random::new(1), 16);
    let lost = images.into_iter().filter(|image| {
        let found = crate::model::open(&SimDisk::from_image(image.clone())).unwrap().2;
        model.confirmed.difference(&model.released).any(|position| !found.contains_key(position))
    });
    assert!(lost.count() >= 10, "the simulated power loss loses nothing");
}

#[test]
fn a_second_power_loss_during_recovery_loses_nothing_either() {
    let kind = ErrorKind::Other;
    for seed in 1..=8 {
        let mut random = Random::new(seed);
        let disk = SimDisk::new();
        let from = 40 + random.below(60);
        disk.set_fault(Some(Fault { from, for_ever: true, kind, hits: Hits::All }));
        let mut model = Model::default();
        let _ = live(&disk, seed, &mut model);
        disk.set_fault(None);
        for image in disk.after_power_loss(&mut random, 4) {
            for from in 1..40 {
                let disk = SimDisk::from_image(image.clone());
                disk.set_fault(Some(Fault { from, for_ever: true, kind, hits: Hits::All }));
                let _ = crate::model::open(&disk).map(|(_, _, found)| model.check(&found, "once"));
                disk.set_fault(None);
                for image in disk.after_power_loss(&mut random, 2) {
                    let context = format!("seed {seed}, second loss at operation {from}");
                    model.check_and_go_on(&SimDisk::from_image(image), &context);
                }
            }
        }
    }
}
