//! The originator of the world: its ledger's effects performed.

use super::*;

impl World {
    pub(super) fn tell_ledger(&mut self, event: ledger::Event) {
        if let ledger::Event::Reply(reply) = &event {
            let line = serde_json::to_value(reply).unwrap();
            self.note(format!(
                "ledger hears {} {} {} #{}",
                line["action"], line["item"], line["pid"], line["attempt"]
            ));
        }
        for effect in self.ledger.step(self.now, event) {
            match effect {
                ledger::Effect::Publish(item) => {
                    self.note(format!("ledger queues {} #{}", item.item, item.attempt));
                    self.send_ledger(LedgerCommand::Publish(item));
                }
                ledger::Effect::DeclareFileQueue => self.send_ledger(LedgerCommand::Declare),
                ledger::Effect::DeleteFileQueue => {
                    self.note("ledger deletes the file queue".to_owned());
                    self.send_ledger(LedgerCommand::Delete);
                }
                ledger::Effect::LookAtHosts(hosts) => {
                    for (listener_id, _) in hosts {
                        let lives = self
                            .hosts
                            .iter()
                            .any(|h| h.listener == listener_id && !h.left);
                        let consumers = lives.then_some(1);
                        if self.broker.up {
                            let looked = ledger::Event::HostLooked {
                                listener_id,
                                consumers,
                            };
                            self.later(LATENCY, Happen::Ledger(looked));
                        }
                    }
                }
                ledger::Effect::LookAtFileQueue => {
                    if self.broker.up {
                        let looked = match &self.broker.files {
                            None => ledger::Event::FileQueueMissing,
                            Some(files) => ledger::Event::FileQueueLooked {
                                messages: u32::try_from(files.len()).expect("few items"),
                            },
                        };
                        self.later(LATENCY, Happen::Ledger(looked));
                    }
                }
                ledger::Effect::Tell(Happening::ItemFinished {
                    finish, verdict, ..
                }) => {
                    self.verdicts.entry(finish.item).or_default().push(verdict);
                }
                ledger::Effect::Tell(Happening::ItemLost { item, .. }) => {
                    self.verdicts.entry(item).or_default().push(Verdict::Lost);
                }
                ledger::Effect::Done(ending) => {
                    self.note(format!("{ending:?}"));
                    self.ending = Some(ending);
                }
                ledger::Effect::Tell(_)
                | ledger::Effect::DeleteQueue(_)
                | ledger::Effect::Offer
                | ledger::Effect::OfferTo(_)
                | ledger::Effect::SendCancel
                | ledger::Effect::SendAway(_)
                | ledger::Effect::PurgeFileQueue
                | ledger::Effect::StartLocalListener => {}
            }
        }
    }

    pub(super) fn send_ledger(&mut self, command: LedgerCommand) {
        self.ledger_unconfirmed.push(command.clone());
        if let Some(link) = self.ledger_link {
            self.later(LATENCY, Happen::FromLedger(link, command));
        }
    }
}
