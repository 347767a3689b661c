import Dispatch
import Synchronization
import Tensors
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
  }

  private let state = Mutex(State())
  /// Signalled for each piece that is put, and for each that is taken and at the end: whoever waits looks again.
  private let put = DispatchSemaphore(value: 0)
  private let taken = DispatchSemaphore(value: 0)

  /// Elements for which there is room; 0 once the writer has ended.
  var room: Int { state.withLock { $0.outcome == nil ? max(0, Self.capacity - $0.elements) : 0 } }

  /// What became of the writer; nil while it writes.
  var outcome: Result<Void, any Error>? { state.withLock { $0.outcome } }

  /// Adds a piece, for which there must be room; it is lost where the writer has ended.
  func append(_ request: SavePlan.Request, _ values: AlignedBuffer<Float>) {
    state.withLock { state in
      guard state.outcome == nil else { return }
      state.pieces.append((request, values))
      state.elements += request.elements.count
    }
    put.signal()
  }

  /// Waits until there is room for so many elements, or, for none, until the writer has ended.
  func waitForRoom(_ elements: Int) {
    while outcome == nil, elements == 0 || room < elements { taken.wait() }
  }

  /// On the writer's thread: waits for the next piece, which must be the one asked for.
  func read(_ request: SavePlan.Request, into buffer: UnsafeMutableBufferPointer<Float>) throws {
    while true {
      let piece = state.withLock { state -> (request: SavePlan.Request, values: AlignedBuffer<Float>)? in
        guard state.first < state.pieces.count else { return nil }
        let piece = state.pieces[state.first]
        state.first += 1
        state.elements -= piece.request.elements.count
        // Others than the rest hold no memory any more.
        if state.first > 64 || state.first == state.pieces.count {
          state.pieces.removeFirst(state.first)
          state.first = 0
        }
        return piece
      }
      guard let piece else {
        put.wait()
        continue
      }
      taken.signal()
      precondition(piece.request == request, "numbers asked for in another order")
      guard let target = buffer.baseAddress else { return }
      return target.update(from: piece.values.pointer, count: request.elements.count)
    }
  }

  /// On the writer's thread: nothing more is taken.
  func end(_ outcome: Result<Void, any Error>) {
    state.withLock { state in
      (state.outcome, state.elements) = (outcome, 0)
      state.pieces.removeAll()
      state.first = 0
    }
    taken.signal()
  }
}
