//! Any bytes as what QEMU says on its monitor, while three commands wait for their replies.

use std::cell::RefCell;
use std::io::Write;
use std::os::unix::net::UnixStream;
use tokio::runtime::{Builder, Runtime};
use vmrun::qemu::{Qmp, QueryCpus, QueryIothreads, QueryStatus};

thread_local! {
    static RUNTIME: RefCell<Runtime> = RefCell::new(Builder::new_current_thread().enable_all().build().expect("a runtime"));
}

pub(crate) fn run(bytes: &[u8]) {
    RUNTIME.with_borrow_mut(|runtime| runtime.block_on(said(bytes)));
}

async fn said(bytes: &[u8]) {
    let (ours, mut theirs) = UnixStream::pair().expect("two ends");
    // It fits into the socket: a longer one is not made.
    theirs.write_all(bytes).expect("room");
    theirs.shutdown(std::net::Shutdown::Write).expect("open");
    ours.set_nonblocking(true).expect("a socket");
    let (qmp, mut events) = Qmp::over(tokio::net::UnixStream::from_std(ours).expect("a socket"));
    let talk = async {
        let (cpus, iothreads, status) =
            tokio::join!(qmp.execute(&QueryCpus {}), qmp.execute(&QueryIothreads {}), qmp.execute(&QueryStatus {}));
        let text = |error: Option<String>| error.map_or(0, |text| text.len());
        text(cpus.err().map(|error| error.to_string()))
            + text(iothreads.err().map(|error| error.to_string()))
            + text(status.err().map(|error| error.to_string()))
    };
    let hear = async {
        while let Some(event) = events.next().await {
            let _ = (event.known(), event.text("reason"));
        }
    };
    tokio::join!(talk, hear);
    assert!(qmp.is_closed(), "the end of the stream is the end of the talk");
}
