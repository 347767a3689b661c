import Backpropagation
import Bytes
import Fabric
import Kernels
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
  private let held: HeldParameters
  /// In the order of the table: those that every rank computes with, and own experts'.
  let parameters: [TrainedParameter]
  private let places: [ParameterID: Int]
  private let table: ParameterTable
  private let names: ParameterNames
  private let owner: (_ expert: Int) -> Rank
  private let rounds: Bool
  private let telemetry: RankTelemetry?
  private var tree = LeafTree(owners: [])
  /// A parameter on its way to other ranks.
  private var travelling = AlignedBuffer<UInt16>(count: 1)
  /// Of those that every rank computes with.
  private var reductions: [ParameterID: TreeReduction] = [:]

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
        } else {
          numbers.update(repeating: 0)
        }
      }
    }
  }

  /// Empties the gradients of own experts.
  func clearExpertGradients() {
    for parameter in parameters where parameter.spec.expert != nil { parameter.gradient.buffer.update(repeating: 0) }
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

  /// Nanoseconds that this rank has waited in reductions.
  var reductionWait: UInt64 { reductions.values.reduce(0) { $0 &+ $1.waited } }

  /// Brings new masters to where all passes see them, rounded to bf16, on every rank. Collective; `prepare` comes
  /// first.
  package func refresh() throws {
    let (all, compute, rounds) = (parameters, compute, rounds)
    compute.pool.run { worker in
      for parameter in all {
        let share = compute.share(of: parameter.own.count, worker: worker)
        let (master, own) = (parameter.numbers(.master).pointer, parameter.values.pointer + parameter.own.lowerBound)
        let (source, target) = (master + share.lowerBound, own + share.lowerBound)
        if parameter.isRounded, rounds {
          BFloat16.round(source, to: target, count: share.count)
        } else {
          target.update(from: source, count: share.count)
        }
      }
    }
    if communicator.size > 1 { try exchange() }
    compute.pool.run { worker in
      for parameter in all where parameter.spec.offset != 0 {
        let values = parameter.values.pointer
        for i in compute.share(of: parameter.spec.elementCount, worker: worker) { values[i] += parameter.spec.offset }
      }
      compute.pool.barrier(worker: worker)
      for parameter in all { held.replace(parameter.spec, with: parameter.values.pointer, worker: worker) }
    }
  }

  /// Brings each rank's slices of values to all. Collective.
  private func exchange() throws {
    for parameter in parameters {
      guard let reduction = reductions[parameter.spec.id] else { continue }
      let (values, count) = (parameter.values.pointer, parameter.spec.elementCount)
      guard parameter.isRounded, rounds else {
        try reduction.gather(UnsafeMutableBufferPointer(start: values, count: count))
        continue
      }
      if travelling.count < count { travelling = AlignedBuffer(count: count) }
      let (halves, compute) = (travelling.pointer, compute)
      for i in parameter.own { halves[i] = BFloat16.bits(values[i]) }
      try reduction.gather(UnsafeMutableBufferPointer(start: halves, count: count))
      compute.pool.run { worker in
        for i in compute.share(of: count, worker: worker) { values[i] = BFloat16.value(halves[i]) }
      }
    }
  }

  /// Finishes the sums of gradients: each rank gets those of its slices. Collective.
  func reduce(_ gradients: LeafGradients) throws {
    for parameter in parameters where parameter.spec.expert == nil && parameter.rule.learns {
      guard let reduction = reductions[parameter.spec.id] else { continue }
      let own = UnsafeMutableBufferPointer(start: parameter.gradient.pointer, count: parameter.own.count)
      try reduction.reduceScatter(gradients.sums(of: parameter.spec.id), into: own)
      guard description.tiedEmbeddings, parameter.spec.role == .embedding else { continue }
      // The head's part and the embedding's are added last, each whole.
      let head = AlignedBuffer<Float>(count: own.count)
      try reduction.reduceScatter(
        gradients.sums(of: ParameterID(.head)), into: UnsafeMutableBufferPointer(start: head.pointer, count: own.count))
      for i in 0..<own.count { own[i] += head.pointer[i] }
    }
  }

  /// The norm of all gradients, and the first tensor of the backward pass whose gradient is not finite. Collective:
  /// each rank adds the squares of its blocks, and all add those in one order. `clock` is told of the waiting.
  func gradientNorm(_ clock: TrainingClock) throws -> (norm: GradientNorm, firstBad: String?) {
    // Blocks of each parameter in the order of owners, and whole sums of experts', by name.
    var writer = ByteWriter()
    for parameter in parameters where parameter.rule.learns {
      let gradient = parameter.gradient.pointer
      if parameter.spec.expert == nil {
        for sum in SquareSum.blocks(gradient, count: parameter.own.count) { writer.write(sum) }
      } else {
        writer.write(SquareSum.total(gradient, count: parameter.spec.elementCount))
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
}
