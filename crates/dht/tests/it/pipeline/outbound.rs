//! Own messages, up to the sink.

use futures::StreamExt as _;
use meshwork_dht::{
    Addressee, BroadcastLayer, DhtOutboundError, DhtOutboundRequest, EncryptLayer, Envelope, Form,
    SendOptions, SerializeLayer, SinkMiddleware,
};
use tokio::sync::oneshot;
use tower::{Service, ServiceBuilder, ServiceExt as _};

use super::*;

type Stack<S> = meshwork_dht::Broadcast<
    meshwork_dht::Stage<EncryptLayer, meshwork_dht::Stage<SerializeLayer, S>>,
>;

fn stack<S>(sink: S) -> Stack<S> {
    let sealer = Arc::new(Sealer::new(network(), &keys(1)).unwrap());
    ServiceBuilder::new()
        .layer(BroadcastLayer::new(Arc::new(params()), peer(1), clock()))
        .layer(EncryptLayer::new(sealer, Randomness::new([5; 32])))
        .layer(SerializeLayer::new(network()))
        .service(sink)
}

fn to_sink() -> (Stack<SinkMiddleware<mpsc::Sender<Dispatch>>>, mpsc::Receiver<Dispatch>) {
    let (sink, sent) = mpsc::channel(0);
    (stack(SinkMiddleware::new(sink)), sent)
}

fn request(strategy: BroadcastStrategy, payload: Bytes) -> DhtOutboundRequest {
    DhtOutboundRequest::new(strategy, LetterId([3; 16]), payload)
}

fn direct(to: u8) -> BroadcastStrategy {
    BroadcastStrategy::Direct(peer(to))
}

#[tokio::test]
async fn what_has_a_recipient_is_sealed_for_it_and_for_nobody_else() {
    let (mut stack, mut sent) = to_sink();
    let (reply, handed) = oneshot::channel();
    let request = request(direct(2), Bytes::from("hello")).with_reply(reply);
    stack.ready().await.unwrap().call(request).await.unwrap();
    assert_eq!(handed.await.unwrap(), Ok(LetterId([3; 16])));

    let dispatch = sent.try_recv().unwrap();
    let envelope = Envelope::parse(dispatch.envelope().bytes().clone()).unwrap();
    assert_eq!(envelope.form(), Form::Sealed);
    assert_eq!(
        dispatch.addressed().addressee(),
        Addressee::Sealed(envelope.destination().unwrap())
    );
    assert_eq!(envelope.identify(&network()), dispatch.identified());
    assert!(envelope.flags().contains(Flags::MAILBOX));
    let opener = Opener::new(network(), &keys(2)).unwrap();
    let opened = envelope.open(&opener).unwrap();
    assert_eq!((opened.sender, &opened.letter.payload[..]), (peer(1), &b"hello"[..]));
}

#[tokio::test]
async fn what_has_no_recipient_goes_in_clear_and_signed() {
    let (mut stack, mut sent) = to_sink();
    let flood = BroadcastStrategy::Flood { exclude: vec![] };
    stack.ready().await.unwrap().call(request(flood, Bytes::from("all"))).await.unwrap();
    let dispatch = sent.try_recv().unwrap();
    let envelope = dispatch.envelope();
    assert_eq!((envelope.form(), envelope.destination()), (Form::Clear, None));
    envelope.verify(&dispatch.id()).unwrap();
    assert_eq!(envelope.read().unwrap().sender, peer(1));
}

#[tokio::test]
async fn who_asked_hears_why_it_is_not_sent() {
    let not_ed25519 = {
        let hash = [&[0x12, 0x20][..], &[7; 32]].concat();
        BroadcastStrategy::Direct(PeerId::from_bytes(&hash).unwrap())
    };
    let long = Bytes::from(vec![0; 65_537]);
    let cases = [
        (direct(1), Bytes::new(), DhtOutboundError::ToOurselves),
        (not_ed25519, Bytes::new(), DhtOutboundError::Recipient(meshwork_dht::NotEd25519)),
        (direct(2), long, DhtOutboundError::TooLong { len: 65_537, max: 65_536 }),
    ];
    for (strategy, payload, error) in cases {
        let (mut stack, mut sent) = to_sink();
        let (reply, handed) = oneshot::channel();
        let request = request(strategy, payload).with_reply(reply);
        let end = stack.ready().await.unwrap().call(request).await;
        assert_eq!((end, handed.await.unwrap()), (Err(error), Err(error)));
        assert!(sent.try_recv().is_err());
    }
}

#[tokio::test]
async fn the_pipeline_is_ready_when_the_sink_is() {
    let (mut stack, mut sent) = to_sink();
    stack.ready().await.unwrap().call(request(direct(2), Bytes::new())).await.unwrap();
    assert!(once(&mut stack.ready()).await.is_pending());
    sent.next().await.unwrap();
    stack.ready().await.unwrap().call(request(direct(2), Bytes::new())).await.unwrap();

    drop(sent);
    assert_eq!(stack.ready().await.err(), Some(DhtOutboundError::Stopped));
}

#[tokio::test]
async fn a_message_lives_as_long_as_the_settings_say_and_never_longer() {
    let cases = [
        (SendOptions::default(), 288, Flags::MAILBOX),
        (SendOptions { keep: false, ..SendOptions::default() }, 12, Flags::NONE),
        (SendOptions { lifetime: Lifetime::new(5), ..SendOptions::default() }, 5, Flags::MAILBOX),
        (
            SendOptions { urgent: true, ..SendOptions::default() },
            288,
            Flags::MAILBOX.with(Flags::URGENT),
        ),
    ];
    for (options, quanta, flags) in cases {
        let (mut stack, mut sent) = to_sink();
        let request = request(direct(2), Bytes::new()).with_options(options);
        stack.ready().await.unwrap().call(request).await.unwrap();
        let dispatch = sent.try_recv().unwrap();
        let envelope = dispatch.envelope();
        assert_eq!((Some(envelope.lifetime()), envelope.flags()), (Lifetime::new(quanta), flags));
    }
}
