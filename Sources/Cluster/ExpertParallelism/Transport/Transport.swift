import Fabric
import Tensors

/// The way that tokens and partial outputs take between ranks in one step: straight, or through gateways.
protocol Transport: AnyObject {
  /// Which rank holds which expert.
  var placement: ModelPlacement { get }
  /// By rank that computes a visit: the rank that its token is sent to; nil where that is the same.
  var receivers: AlignedBuffer<Int32>? { get }
  /// Ranks that tokens are sent to, and that outputs come back from.
  var peers: [Rank] { get }
  /// Tokens on their way out.
  var tokens: any Exchange { get }
  /// Partial outputs on their way back.
  var outputs: any Exchange { get }

  /// Gets ready for the tokens of ranks that have some; adds them to `sources` in the order to receive them in.
  func expectTokens(rowsByRank: [Int], from sources: inout [Rank]) throws

  /// Checks a message of tokens, of at most `tokenLimit`.
  func read(
    _ bytes: UnsafeMutableRawBufferPointer, from source: Rank, layer: Int, tokenLimit: Int
  ) throws(ExpertParallelismError) -> DispatchMessage

  /// Sends what was computed for other ranks' tokens home.
  func returnOutputs(of arrivals: Flight.Arrivals) throws

  /// Waits until all that was sent may be written to again.
  func finishSends() throws
}

extension Transport {
  /// Whether messages are under way that move on only when somebody polls.
  func travels(_ sources: [Rank]) -> Bool { tokens.isSending || sources.contains { !tokens.isShared(with: $0) } }
}
