import Backpropagation
import Bytes
import Fabric
import Kernels
import Machine
import MoEModel
import Telemetry
import Tensors
import Training
import TreeReduction

/// All parameters of a model in training, on one rank.
package final class TrainedModel: ParameterValues {
  package let description: DecoderDescription
  let communicator: any Communicator
  let compute: Compute
  let held: HeldParameters
  /// In the order of the table: those that every rank computes with, and own experts'.
  let parameters: [TrainedParameter]
  private let places: [ParameterID: Int]
  private let table: ParameterTable
  private let names: ParameterNames
  private let owner: (_ expert: Int) -> Rank
  let rounds: Bool
  private let telemetry: RankTelemetry?
  private var tree = LeafTree(owners: [])
  /// Parameters on their way to other ranks: of those that come, and of those that come next.
  var travelling = [AlignedBuffer<UInt16>(count: 1), AlignedBuffer<UInt16>(count: 1)]
  /// Of those that every rank computes with.
  private(set) var reductions: [ParameterID: TreeReduction] = [:]

  /// Where initial numbers come from; masters are as they are stored, without the parameter's offset.
  package typealias Source = (
    _ part: StatePart, _ spec: ParameterSpec, _ first: Int, _ buffer: UnsafeMutableBufferPointer<Float>
  ) throws -> Void

  /// `weights` hold the model in bf16, or in fp32 where nothing `rounds`; they get the values at `refresh`. `owner`:
  /// the rank that has an expert.
  package init(
    _ description: DecoderDescription, weights: ModelWeights, optimizer: OptimizerKind,
    owner: @escaping (_ expert: Int) -> Rank, communicator: any Communicator, compute: Compute,
    telemetry: RankTelemetry? = nil, rounds: Bool = true
  ) {
    (self.rounds, self.telemetry) = (rounds, telemetry)
    guard let held = weights.parameters else { preconditionFailure("weights that were not loaded") }
    (self.description, self.held, self.communicator, self.compute) = (description, held, communicator, compute)
    table = ParameterTable(description)
    let names = ParameterNames(description)
    (self.names, self.owner) = (names, owner)
    var owners = SliceOwners(rankCount: communicator.size)
    var parameters: [TrainedParameter] = []
    for spec in table where table.holder(of: spec.id) == spec.id {
      let rule = optimizer.rule(of: spec)
      let slices: [Range<Int>]
      if let expert = spec.expert {
        let rank = owner(expert)
        guard rank == communicator.rank else { continue }
        slices = SliceOwners.all(spec.elementCount, of: rank.index, rankCount: communicator.size)
      } else {
        slices = owners.slices(of: spec, rule: rule)
      }
      parameters.append(
        TrainedParameter(spec, name: names.name(of: spec.id), rule: rule, slices: slices, rank: communicator.rank))
    }
    self.parameters = parameters
    places = Dictionary(uniqueKeysWithValues: parameters.enumerated().map { ($1.spec.id, $0) })
  }

  /// Whether passes see a parameter in bf16.
  func isRounded(_ parameter: TrainedParameter) -> Bool { rounds && parameter.isRounded }

  /// Those of which every rank has gradients.
  package var shared: [ParameterSpec] {
    var specs = parameters.filter { $0.spec.expert == nil && $0.rule.learns }.map(\.spec)
    if description.tiedEmbeddings, var head = specs.first(where: { $0.role == .embedding }) {
      head.id = ParameterID(.head)
      specs.append(head)
    }
    return specs
  }

  func parameter(_ id: ParameterID) -> TrainedParameter {
    guard let place = places[table.holder(of: id)] else { preconditionFailure("\(id) is not here") }
    return parameters[place]
  }

  package func values(_ id: ParameterID) -> UnsafePointer<Float> { UnsafePointer(parameter(id).values.pointer) }

  package func expertGradient(_ id: ParameterID) -> UnsafeMutablePointer<Float> { parameter(id).gradient.pointer }

  /// Fills all numbers of this rank: `parts` from `source`, others with zeros.
  package func fill(_ parts: Set<StatePart>, from source: Source) throws {
    for parameter in parameters {
      for part in parameter.rule.parts {
        let numbers = parameter.numbers(part).buffer
        guard !parameter.own.isEmpty else { continue }
        if parts.contains(part) {
          try source(part, parameter.spec, parameter.own.lowerBound, numbers)
          if part == .master, parameter.spec.role == .tokenExperts, let moe = description.moe {
            precondition(parameter.own.lowerBound % moe.topK == 0, "a rank's part of a table begins within a token")
            try TokenExpertTable(moe, tensor: parameter.name).check(
              UnsafeBufferPointer(rebasing: numbers[..<parameter.own.count]))
          }
        } else {
          numbers.update(repeating: 0)
        }
      }
    }
  }

  /// Empties the gradients of own experts.
  func clearExpertGradients() {
    let (all, compute) = (parameters, compute)
    compute.pool.run { worker in
      for parameter in all where parameter.spec.expert != nil {
        let share = compute.share(of: parameter.gradient.count, worker: worker)
        (parameter.gradient.pointer + share.lowerBound).update(repeating: 0, count: share.count)
      }
    }
  }

  /// Gets ready for steps whose leaves lie with ranks as `tree` says. Collective.
  func prepare(_ tree: LeafTree) throws {
    guard reductions.isEmpty || tree != self.tree else { return }
    self.tree = tree
    for parameter in parameters where parameter.spec.expert == nil {
      reductions[parameter.spec.id] = try TreeReduction(
        communicator, tree: tree, count: parameter.spec.elementCount, slices: parameter.slices,
        telemetry: telemetry)
    }
  }

  /// The norm of all gradients, and the first tensor of the backward pass whose gradient is not finite. Collective:
  /// each rank adds the squares of its blocks, and all add those in one order. `clock` is told of the waiting.
  func gradientNorm(_ clock: TrainingClock) throws -> (norm: GradientNorm, firstBad: String?) {
    // Blocks of each parameter in the order of owners, and whole sums of experts', by name.
    var writer = ByteWriter()
    let learning = parameters.filter(\.rule.learns)
    let counts = learning.map { $0.spec.expert == nil ? $0.own.count : $0.spec.elementCount }
    var blocks = blockSquares(of: learning, counts)[...]
    for (parameter, count) in zip(learning, counts) {
      let own = blocks.prefix(SquareSum.blockCount(count))
      blocks = blocks.dropFirst(own.count)
      if parameter.spec.expert == nil {
        for sum in own { writer.write(sum) }
      } else {
        writer.write(SquareSum.total(own))
      }
    }
    var sums = try clock.wait { try communicator.allGather(writer.bytes) }.map { ByteReader($0) }
    func next(of rank: Int) throws -> Double {
      do { return try sums[rank].readDouble() } catch {
        throw DistributedTrainingError.ranksDisagree("how many numbers they exchange")
      }
    }
    var squares: [(name: String, sum: Double)] = []
    for spec in table where table.holder(of: spec.id) == spec.id {
      if let expert = spec.expert {
        squares.append((names.name(of: spec.id), try next(of: owner(expert).index)))
      } else {
        let parameter = parameter(spec.id)
        guard parameter.rule.learns else { continue }
        var blocks: [Double] = []
        for (rank, slice) in parameter.slices.enumerated() {
          for _ in stride(from: 0, to: slice.count, by: SquareSum.blockLength) { blocks.append(try next(of: rank)) }
        }
        squares.append((parameter.name, SquareSum.total(blocks)))
      }
    }
    return (GradientNorm(squares: squares), squares.last { !$0.sum.isFinite }?.name)
  }

  /// The sums of all blocks of the first `counts` numbers of some parameters' gradients, one after another, which
  /// workers share.
  private func blockSquares(of parameters: [TrainedParameter], _ counts: [Int]) -> [Double] {
    let (blockCounts, compute) = (counts.map { SquareSum.blockCount($0) }, compute)
    let total = blockCounts.reduce(0, +)
    return Array(unsafeUninitializedCapacity: total) { sums, initialized in
      let start = sums.baseAddress
      initialized = total
      compute.pool.run { worker in
        guard let start else { return }
        let share = compute.share(of: total, worker: worker)
        var first = 0
        for (place, parameter) in parameters.enumerated() {
          for block in share.clamped(to: first..<(first + blockCounts[place])) {
            let at = (block - first) * SquareSum.blockLength
            start[block] = SquareSum.block(
              parameter.gradient.pointer + at, count: min(SquareSum.blockLength, counts[place] - at))
          }
          first += blockCounts[place]
        }
      }
    }
  }
}
