import Fabric
import Machine

/// A rank's messages, and those that it relays, while its workers compute.
final class MessagesUnderWay: Polled {
  private let communicator: any Communicator
  private let inbound: GatewayExchange?

  /// `inbound`: what comes for ranks of this host, where some of it comes through this one.
  init(_ communicator: any Communicator, relayedBy inbound: GatewayExchange?) {
    (self.communicator, self.inbound) = (communicator, inbound)
  }

  func poll() {
    do { try communicator.poll() } catch {}
    inbound?.advance()
  }
}
