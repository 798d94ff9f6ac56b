//! The connection with the broker, which a signal need not wait for.

use std::thread;
use std::time::Duration;

use crossbeam_channel::{bounded, select_biased};
use gorgon_broker::{Declare, OpenError, Patience, Session, Setup, Target};

use crate::run::{BROKER_LIMIT, Run};

/// After a signal a broker that is about to answer is waited for, and then again for its farewell.
const LIMIT: Duration = Duration::from_secs(1);

impl Run<'_> {
    /// Connects with the broker; none when a signal came before it had answered.
    pub(crate) fn connect(
        &self,
        target: &Target,
        setup: Setup,
    ) -> Result<Option<Session>, OpenError> {
        let (done, opened) = bounded(1);
        let target = target.clone();
        let declared = setup.declare.clone();
        thread::Builder::new()
            .name("connect".to_owned())
            .spawn(move || {
                // After a signal it is not waited for long: it goes with the process.
                let _ = done.send(Session::open(&target, setup, Patience::Limit(BROKER_LIMIT)));
            })
            .map_err(|source| OpenError::Thread { source })?;
        select_biased! {
            recv(opened) -> opened => match opened {
                Ok(opened) => Ok(Some(opened?)),
                // It has panicked, which std has told.
                Err(_) => Ok(None),
            },
            recv(self.signals) -> _ => {
                // Nobody else knows of its queues: they would be there for another ten minutes.
                if let Ok(Ok(session)) = opened.recv_timeout(LIMIT) {
                    for declared in declared {
                        if let Declare::Queue { name, .. } = declared {
                            session.delete_queue(&name);
                        }
                    }
                    session.close(LIMIT);
                }
                Ok(None)
            }
        }
    }
}
