//! The quickest real suites, in place, against their truth.

use integration::suite::{QUICKEST, Suite};
use integration::suite_run::{Place, run_suite};

#[test]
fn the_quickest_real_suites_give_their_truth() {
    for name in QUICKEST {
        let suite = Suite::fetch(name).unwrap();
        let directory = tempfile::tempdir().unwrap();
        let run = run_suite(&suite, directory.path(), Place::Local(2)).unwrap();
        assert!(
            run.is_right(),
            "{name}: exit {:?}, {:#?}\n{}",
            run.status,
            run.differences,
            run.stderr
        );
    }
}
