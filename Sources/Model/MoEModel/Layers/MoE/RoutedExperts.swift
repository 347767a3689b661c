import Kernels

/// Whatever computes experts' outputs for visits: the experts one rank holds, or something that only pretends to.
package protocol RoutedExperts: AnyObject {
  /// The form its inputs come in: that of the rows its matrices meet.
  var rowFormat: RowFormat { get }

  /// Whether to compute a batch is to exchange all that was noted for ranks with slices.
  var exchangesSlices: Bool { get }

  /// Computes the outputs of a batch, one row for each of its subtrees.
  func compute(_ batch: VisitBatch)

  /// Ends what the last batch left to be done once its outputs were on their way.
  func finish()

  /// Computes all that a flight brings here.
  func forward(_ flight: any ExpertFlight) throws
}

extension RoutedExperts {
  package var exchangesSlices: Bool { false }

  package func finish() {}

  package func forward(_ flight: any ExpertFlight) throws {
    while let batch = try flight.next() {
      compute(batch)
      try flight.finish(batch)
    }
  }
}
