//! A broker that will not have us.

use super::{Broker, open};
use gorgon_broker::{Declare, OpenError, Patience, Session, Setup, Target};
use std::time::{Duration, Instant};

/// Opens in vain.
pub(crate) fn refused(target: &Target, declare: Vec<Declare>) -> OpenError {
    let setup = Setup {
        declare,
        ..Setup::default()
    };
    let start = Instant::now();
    let error = Session::open(target, setup, Patience::Forever).unwrap_err();
    assert!(
        start.elapsed() <= target.limit + Duration::from_secs(1),
        "{:?}",
        start.elapsed()
    );
    error
}

pub(crate) fn a_wrong_password_is_named(broker: &Broker) {
    let target = Target {
        password: "wrong".to_owned(),
        ..broker.target.clone()
    };
    let error = refused(&target, vec![]);
    assert!(matches!(error, OpenError::WrongPassword { .. }), "{error}");
}

pub(crate) fn a_wrong_virtual_host_is_named(broker: &Broker) {
    let target = Target {
        vhost: "nowhere".to_owned(),
        ..broker.target.clone()
    };
    let error = refused(&target, vec![]);
    assert!(matches!(error, OpenError::NoVhost { .. }), "{error}");
}

pub(crate) fn a_queue_of_other_properties_is_refused(broker: &Broker) {
    let session = open(&broker.target, vec![Declare::queue("work")], vec![]);
    let other = Declare::expiring_queue("work", Duration::from_secs(60));
    let error = refused(&broker.target, vec![other]);
    assert!(matches!(error, OpenError::Declare { .. }), "{error}");
    drop(session);
}
