import Fabric
import MoEModel
import Tensors
import Training

/// Brings the parts of a training's numbers that ranks own to rank 0, which writes them: piece after piece, in the
/// order of the plan. Every rank walks the plan beside it, as many requests at a time as rank 0 says.
final class StateGathering {
  /// Where a rank's part of some numbers of a parameter lies, `[own]`.
  typealias Numbers = (_ parameter: TrainedParameter, _ part: StatePart) -> UnsafePointer<Float>

  /// A request whose numbers are on their way.
  private struct Transfer {
    let request: SavePlan.Request
    /// On rank 0: `[elements]`.
    let values: AlignedBuffer<Float>?
    /// With the bytes that must come.
    var messages: [(pending: PendingRequest, byteCount: Int)] = []
  }

  private static let tag = MessageTag(10)
  /// Requests under way at most: each takes some of the fabric's memory.
  private static let transferLimit = 256

  private let model: TrainedModel
  private let owner: (_ spec: ParameterSpec) -> Rank?
  private let numbers: Numbers
  private let communicator: any Communicator
  private let requests: [SavePlan.Request]
  private var next = 0
  private var transfers: [Transfer] = []

  /// `owner`: of an expert's parameters; nil for those that all ranks have slices of. `numbers` must stay as they are
  /// until all has been completed.
  init(
    _ model: TrainedModel, requests: [SavePlan.Request], owner: @escaping (_ spec: ParameterSpec) -> Rank?,
    numbers: @escaping Numbers
  ) {
    (self.model, self.requests, self.owner, self.numbers) = (model, requests, owner, numbers)
    communicator = model.communicator
  }

  /// Whether all has been begun.
  var isAtEnd: Bool { next == requests.count }
  /// Elements of the next request; 0 at the end.
  var nextCount: Int { isAtEnd ? 0 : requests[next].elements.count }

  /// How many requests from the next one on have not more elements than these together.
  func count(within elements: Int) -> Int {
    var (count, rest) = (0, elements)
    while count < Self.transferLimit, next + count < requests.count {
      rest -= requests[next + count].elements.count
      guard rest >= 0 else { break }
      count += 1
    }
    return count
  }

  /// Starts the messages of the next `count` requests, the same number on every rank.
  func begin(_ count: Int) throws {
    guard (0...(requests.count - next)).contains(count) else {
      throw DistributedTrainingError.ranksDisagree("how much of a checkpoint they exchange")
    }
    for request in requests[next..<(next + count)] {
      let values = communicator.isRoot ? AlignedBuffer<Float>(count: request.elements.count) : nil
      transfers.append(try start(request, into: values))
    }
    next += count
  }

  /// Waits for what was begun; on rank 0 `use` gets the numbers, in the order of the plan.
  func complete(_ use: (_ request: SavePlan.Request, _ values: AlignedBuffer<Float>) -> Void) throws {
    for transfer in transfers {
      for message in transfer.messages {
        guard try communicator.wait(message.pending) == message.byteCount else {
          throw DistributedTrainingError.ranksDisagree("the numbers of a checkpoint")
        }
      }
      if let values = transfer.values { use(transfer.request, values) }
    }
    transfers.removeAll(keepingCapacity: true)
  }

  private func start(_ request: SavePlan.Request, into values: AlignedBuffer<Float>?) throws -> Transfer {
    var transfer = Transfer(request: request, values: values)
    for (index, slice) in slices(of: request.parameter).enumerated() {
      let range = slice.clamped(to: request.elements)
      guard !range.isEmpty else { continue }
      let byteCount = range.count * MemoryLayout<Float>.stride
      let target = values.map { $0.pointer + (range.lowerBound - request.elements.lowerBound) }
      if Rank(index) == communicator.rank {
        let parameter = model.parameter(request.parameter.id)
        let own = numbers(parameter, request.part) + (range.lowerBound - slice.lowerBound)
        if let target {
          target.update(from: own, count: range.count)
        } else {
          let bytes = UnsafeRawBufferPointer(start: own, count: byteCount)
          transfer.messages.append((try communicator.startSend(bytes, to: Rank(0), tag: Self.tag), byteCount))
        }
      } else if let target {
        let bytes = UnsafeMutableRawBufferPointer(start: target, count: byteCount)
        let pending = try communicator.startReceive(into: bytes, from: Rank(index), tag: Self.tag)
        transfer.messages.append((pending, byteCount))
      }
    }
    return transfer
  }

  /// Who has which elements of a parameter.
  private func slices(of spec: ParameterSpec) -> [Range<Int>] {
    guard let owner = owner(spec) else { return model.parameter(spec.id).slices }
    return SliceOwners.all(spec.elementCount, of: owner.index, rankCount: communicator.size)
  }
}
