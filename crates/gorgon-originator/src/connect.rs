//! The connection with the broker, which a signal need not wait for.

use std::thread;

use crossbeam_channel::{bounded, select_biased};
use gorgon_broker::{OpenError, Patience, Session, Setup, Target};

use crate::run::{BROKER_LIMIT, Run};

impl Run<'_> {
    /// Connects with the broker; none when a signal came before it had answered.
    pub(crate) fn connect(
        &self,
        target: &Target,
        setup: Setup,
    ) -> Result<Option<Session>, OpenError> {
        let (done, opened) = bounded(1);
        let target = target.clone();
        thread::Builder::new()
            .name("connect".to_owned())
            .spawn(move || {
                // After a signal nobody waits for it: it goes with the process.
                let _ = done.send(Session::open(&target, setup, Patience::Limit(BROKER_LIMIT)));
            })
            .map_err(|source| OpenError::Thread { source })?;
        select_biased! {
            recv(opened) -> opened => match opened {
                Ok(opened) => Ok(Some(opened?)),
                // It has panicked, which std has told.
                Err(_) => Ok(None),
            },
            recv(self.signals) -> _ => Ok(None),
        }
    }
}
