import Kernels

/// Whatever computes experts' outputs for visits: the experts one rank holds, or something that only pretends to.
package protocol ExpertComputation: AnyObject {
  /// Distinct experts visited, counted once for each run.
  var expertsVisited: Int { get }

  /// The form its inputs come in: that of the rows its matrices meet.
  var rowFormat: RowFormat { get }

  /// Computes expert(v)(inputs[row(v)]) for each visit v, to be found at `product(v)`; each input is a row `[hidden]` as
  /// `Rows.form` gives it.
  func run(layer: Int, inputs: UnsafePointer<UnsafeRawPointer>, visits: UnsafeBufferPointer<ExpertVisit>)

  /// Another of the same experts, whose outputs outlive this one's runs.
  func twin() -> any ExpertComputation

  /// The output `[hidden]` of visit `visit` of the last run, which its reader may overwrite.
  func product(_ visit: Int) -> UnsafeMutablePointer<Float>

  /// Σ weight(v) · product(v), along `CombineTree`, over the `count` visits from `first`, whose experts `ids` ascend;
  /// overwrites their products, the first of which becomes the sum. Called by several workers at once, each for its own.
  func sum(
    _ visits: UnsafePointer<ExpertVisit>, first: Int, count: Int, ids: UnsafePointer<Int32>, _ compute: Compute
  ) -> UnsafeMutablePointer<Float>
}
