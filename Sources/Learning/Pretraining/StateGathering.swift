import Fabric
import MoEModel
import Tensors
import Training

/// Brings the parts of a training's numbers that ranks own to rank 0, which writes them: piece after piece, in the order of the
/// plan. Every rank walks the plan beside it.
final class StateGathering: ParameterSource {
  private static let tag = MessageTag(10)
  private let model: TrainedModel
  private let owner: (_ spec: ParameterSpec) -> Rank?
  private let communicator: any Communicator
  private let requests: [SavePlan.Request]
  private var next = 0

  /// `owner`: of an expert's parameters; nil for those that all ranks have slices of.
  init(_ model: TrainedModel, plan: SavePlan, owner: @escaping (_ spec: ParameterSpec) -> Rank?) {
    (self.model, self.owner, communicator) = (model, owner, model.communicator)
    requests = Array(plan.requests)
  }

  /// On rank 0: fills `buffer` with the next request's numbers.
  func read(_ request: SavePlan.Request, into buffer: UnsafeMutableBufferPointer<Float>) throws {
    precondition(request == requests[next], "numbers asked for in another order")
    next += 1
    try exchange(request, into: buffer)
  }

  /// Takes part in what is left: on other ranks in all, on rank 0 in what a failed writer did not ask for.
  func finish() throws {
    var buffer: [Float] = []
    while next < requests.count {
      let request = requests[next]
      next += 1
      if communicator.isRoot {
        if buffer.count < request.elements.count { buffer = Array(repeating: 0, count: request.elements.count) }
        try buffer.withUnsafeMutableBufferPointer {
          try exchange(request, into: UnsafeMutableBufferPointer(rebasing: $0[..<request.elements.count]))
        }
      } else {
        try exchange(request, into: UnsafeMutableBufferPointer(start: nil, count: 0))
      }
    }
  }

  private func exchange(_ request: SavePlan.Request, into buffer: UnsafeMutableBufferPointer<Float>) throws {
    let spec = request.parameter
    let slices = slices(of: spec)
    for (index, slice) in slices.enumerated() {
      let range = slice.clamped(to: request.elements)
      guard !range.isEmpty else { continue }
      let rank = Rank(index)
      let isOwn = rank == communicator.rank
      if isOwn {
        let numbers = model.parameter(spec.id).numbers(request.part).pointer + (range.lowerBound - slice.lowerBound)
        if communicator.isRoot, let target = buffer.baseAddress {
          (target + (range.lowerBound - request.elements.lowerBound)).update(from: numbers, count: range.count)
        } else {
          let bytes = UnsafeRawBufferPointer(start: numbers, count: range.count * 4)
          _ = try communicator.wait(try communicator.startSend(bytes, to: Rank(0), tag: Self.tag))
        }
      } else if communicator.isRoot, let target = buffer.baseAddress {
        let bytes = UnsafeMutableRawBufferPointer(
          start: target + (range.lowerBound - request.elements.lowerBound), count: range.count * 4)
        let count = try communicator.wait(try communicator.startReceive(into: bytes, from: rank, tag: Self.tag))
        guard count == bytes.count else { throw PretrainingError.ranksDisagree("the numbers of a checkpoint") }
      }
    }
  }

  /// Who has which elements of a parameter.
  private func slices(of spec: ParameterSpec) -> [Range<Int>] {
    guard let owner = owner(spec) else { return model.parameter(spec.id).slices }
    return SliceOwners.all(spec.elementCount, of: owner.index, rankCount: communicator.size)
  }
}
