//! The words in which tests are told effects.

use gorgon_proto::message::LeaveReason;

use crate::ledger::{Effect, Ending, Happening};

/// `m.a` for the queue of host a's manager.
fn short(queue: &str) -> String {
    queue.replace("gorgon.manager.", "m.")
}

pub(super) fn show(effect: &Effect) -> Option<String> {
    Some(match effect {
        Effect::PublishBundle(works) => {
            let items: Vec<String> = works.iter().map(|work| work.item.to_string()).collect();
            format!("publish {}", items.join("+"))
        }
        Effect::Publish(work) if work.retry > 0 => {
            let avoid = work.avoid.as_ref();
            format!(
                "retry {} {} as {}.{}{}",
                work.retry,
                work.tests.join(","),
                work.item,
                work.attempt,
                avoid.map_or_else(String::new, |who| format!(" not on {who}"))
            )
        }
        Effect::Publish(work) => {
            let attempt = match work.attempt {
                1 => String::new(),
                attempt => format!(".{attempt}"),
            };
            let avoid = work.avoid.as_ref();
            let avoid = avoid.map_or_else(String::new, |who| format!(" not on {who}"));
            let only = work.only.as_ref();
            let only = only.map_or_else(String::new, |who| format!(" only on {who}"));
            format!("publish {}{attempt}{avoid}{only}", work.item)
        }
        Effect::WakeHost(queue) => format!("wake {queue}"),
        Effect::SendAway(queue) => format!("send away {}", short(queue)),
        Effect::SendSlotAway(queue, slot) => format!("send away {} of {}", slot, short(queue)),
        Effect::DeclareFileQueue => "declare".to_owned(),
        Effect::Offer => "offer".to_owned(),
        Effect::OfferTo(queue) => format!("offer to {queue}"),
        Effect::SendCancel => "cancel".to_owned(),
        Effect::PurgeFileQueue => "purge".to_owned(),
        Effect::EmptyFileQueue => "empty".to_owned(),
        Effect::DeleteFileQueue => "delete".to_owned(),
        Effect::DeleteQueue(queue) => format!("delete {}", short(queue)),
        Effect::LookAtHosts(hosts) => {
            let names: Vec<_> = hosts.iter().map(|(_, queue)| short(queue)).collect();
            format!("look {}", names.join(" "))
        }
        Effect::LookAtFileQueue => "look file queue".to_owned(),
        Effect::StartLocalListener => "start listener".to_owned(),
        Effect::Done(ending) => match ending {
            Ending::Complete => "done".to_owned(),
            other => format!("done {other:?}"),
        },
        Effect::Tell(happening) => match happening {
            Happening::ItemFinished {
                finish, verdict, ..
            } => format!("{verdict:?} {}", finish.item).to_lowercase(),
            Happening::ItemLost { item, hosts, .. } => {
                format!("lost {item} on {}", hosts.join(","))
            }
            Happening::PlaceProbed(probed) => format!(
                "{} {}{} {}/{} {}/{}",
                if probed.sick { "sick" } else { "cleared" },
                probed.hostname,
                probed
                    .place
                    .slot()
                    .map_or_else(String::new, |n| n.to_string()),
                probed.failed,
                probed.ran,
                probed.elsewhere_failed,
                probed.elsewhere_ran
            ),
            Happening::RepeatQueued { item, repeat, .. } => {
                let what = if repeat.is_trial() { "probe" } else { "repeat" };
                format!("{what} {} as {}", repeat.item, item.item)
            }
            Happening::WholeQueued { item, repeat, gone } => {
                format!(
                    "whole {} as {} without {}",
                    repeat.item,
                    item.item,
                    gone.join(",")
                )
            }
            Happening::UnfilteredQueued { item, repeat, .. } => {
                format!("unfiltered {} as {}", repeat.item, item.item)
            }
            Happening::ReviewQueued { item, of, way } => {
                let of: Vec<_> = of.iter().map(ToString::to_string).collect();
                let before = item.before.iter().map(|it| it.item.to_string());
                let before: Vec<_> = before.collect();
                let row = match before.is_empty() {
                    true => String::new(),
                    false => format!(" after {}", before.join(",")),
                };
                format!("{way:?} {} as {}{row}", of.join("+"), item.item).to_lowercase()
            }
            Happening::Reviewed(found) => {
                let mut text = format!("found of {}", found.of);
                let errors = if found.errors_too { "!" } else { "" };
                for (what, ids) in [
                    ("after others", &found.order_dependent),
                    ("flaky", &found.flaky),
                ] {
                    let errors = if what == "flaky" { "" } else { errors };
                    if !ids.is_empty() || !errors.is_empty() {
                        text.push_str(&format!(" {what} {}{errors}", ids.join(",")));
                    }
                }
                text
            }
            Happening::SuiteHookFailed(hook) => {
                format!("hook of {}{}", hook.hostname, hook.worker_id)
            }
            Happening::Warning(warning) => format!("warning: {}", warning.message),
            Happening::ReviewsSkipped { failed, files } => format!("skipped {failed}/{files}"),
            Happening::RestQueued { item, tests } => format!("rest of {tests} as {}", item.item),
            Happening::TestsGone { gone, .. } => format!("gone {}", gone.join(",")),
            Happening::RetriesStopped { failed, finished } => {
                format!("stopped {failed}/{finished}")
            }
            Happening::HostLeft(left) if left.reason == LeaveReason::Lost => {
                format!("lost host {}", left.hostname)
            }
            _ => return None,
        },
    })
}
