/// Where one rank's time and bytes in the expert layers went, since the last reset. Durations are of the rank's main
/// thread.
package struct DispatchAccount: Sendable {
  package var pack: Duration = .zero
  /// Waiting for other ranks' tokens to arrive.
  package var dispatchWait: Duration = .zero
  package var experts: Duration = .zero
  /// Waiting for expert outputs to come back.
  package var combineWait: Duration = .zero
  package var unpack: Duration = .zero
  /// Work done for the caller while tokens travelled: the shared expert.
  package var meanwhile: Duration = .zero
  package var bytesSent = 0
  package var messagesSent = 0
  package var layers = 0
  /// Distinct experts this rank ran, summed over layers.
  package var expertsVisited = 0

  package init() {}

  /// Time in which the rank did nothing but communicate.
  package var communication: Duration { pack + dispatchWait + combineWait + unpack }

  /// What was counted since `earlier`.
  package func since(_ earlier: DispatchAccount) -> DispatchAccount {
    var difference = self
    difference.pack -= earlier.pack
    difference.dispatchWait -= earlier.dispatchWait
    difference.experts -= earlier.experts
    difference.combineWait -= earlier.combineWait
    difference.unpack -= earlier.unpack
    difference.meanwhile -= earlier.meanwhile
    difference.bytesSent -= earlier.bytesSent
    difference.messagesSent -= earlier.messagesSent
    difference.layers -= earlier.layers
    difference.expertsVisited -= earlier.expertsVisited
    return difference
  }

  package static func += (a: inout DispatchAccount, b: DispatchAccount) {
    a.pack += b.pack
    a.dispatchWait += b.dispatchWait
    a.experts += b.experts
    a.combineWait += b.combineWait
    a.unpack += b.unpack
    a.meanwhile += b.meanwhile
    a.bytesSent += b.bytesSent
    a.messagesSent += b.messagesSent
    a.layers += b.layers
    a.expertsVisited += b.expertsVisited
  }
}
