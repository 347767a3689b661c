import Tensors
import Threads
import Training

/// Pieces of a checkpoint on their way from the thread that gathers them to the one that writes: so many elements at
/// most.
final class PieceQueue: ParameterSource, Sendable {
  /// Four of the largest requests: 64 MiB.
  static let capacity = 4 * SavePlan.pieceLength

  private struct State {
    var pieces: [(request: SavePlan.Request, values: AlignedBuffer<Float>)] = []
    /// The first of them that was not taken.
    var first = 0
    var elements = 0
    var outcome: Result<Void, any Error>?

    var room: Int { outcome == nil ? max(0, PieceQueue.capacity - elements) : 0 }

    mutating func take() -> (request: SavePlan.Request, values: AlignedBuffer<Float>) {
      let piece = pieces[first]
      first += 1
      elements -= piece.request.elements.count
      // Others than the rest hold no memory any more.
      if first > 64 || first == pieces.count {
        pieces.removeFirst(first)
        first = 0
      }
      return piece
    }
  }

  private let state = Monitor(State())

  /// Elements for which there is room; 0 once the writer has ended.
  var room: Int { state.read { $0.room } }

  /// What became of the writer; nil while it writes.
  var outcome: Result<Void, any Error>? { state.read { $0.outcome } }

  /// Adds a piece, for which there must be room; it is lost where the writer has ended.
  func append(_ request: SavePlan.Request, _ values: AlignedBuffer<Float>) {
    state.change { state in
      guard state.outcome == nil else { return }
      state.pieces.append((request, values))
      state.elements += request.elements.count
    }
  }

  /// Waits until there is room for so many elements, or, for none, until the writer has ended.
  func waitForRoom(_ elements: Int) {
    state.wait { $0.outcome != nil || elements > 0 && $0.room >= elements ? true : nil }
  }

  /// On the writer's thread: waits for the next piece, which must be the one asked for.
  func read(_ request: SavePlan.Request, into buffer: UnsafeMutableBufferPointer<Float>) throws {
    state.wait { $0.pieces.count > $0.first ? true : nil }
    let piece = state.change { $0.take() }
    precondition(piece.request == request, "numbers asked for in another order")
    guard let target = buffer.baseAddress else { return }
    target.update(from: piece.values.pointer, count: request.elements.count)
  }

  /// On the writer's thread: nothing more is taken.
  func end(_ outcome: Result<Void, any Error>) {
    state.change { state in
      (state.outcome, state.elements) = (outcome, 0)
      state.pieces.removeAll()
      state.first = 0
    }
  }
}
