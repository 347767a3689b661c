import Backpropagation
import Fabric
import Kernels
import Machine
import MoEModel
import Tensors
import Training
import TreeReduction

/// What ranks tell each other of the parameters that all of them compute with: sums of gradients on their way to the
/// owners of slices, and new weights on their way from there. Messages travel while ranks compute.
extension TrainedModel {
  /// Nanoseconds that this rank has waited in reductions.
  var reductionWait: UInt64 { reductions.values.reduce(0) { $0 &+ $1.waited } }

  // MARK: Gradients

  /// Parameters of which something may be under way at a time: whoever moves messages on looks at those of all.
  private var limit: Int { max(1, 512 / max(communicator.size - 1, 1)) }
  private var hasRoom: Bool { reductions.values.count(where: \.isUnderWay) < limit }

  /// Starts to bring to their owners the sums of a layer's gradients, all of which are whole; nil: of all parameters
  /// that belong to none of the model's layers, but for the embedding's. Collective, in one order.
  func beginReduction(ofLayer layer: Int?, _ gradients: LeafGradients) throws {
    guard communicator.size > 1 else { return }
    let layers = description.layers.indices
    for parameter in exchanged where parameter.spec.role != .embedding {
      let own = parameter.spec.layer.flatMap { layers.contains($0) ? $0 : nil }
      if own == layer, hasRoom { try begin(parameter, gradients) }
    }
    compute.pool.polled = self
  }

  /// After `reduce`, and after an error that came before it: nobody moves messages on any more.
  func endReduction() { compute.pool.polled = nil }

  /// Parameters whose gradients every rank has.
  private var exchanged: [TrainedParameter] { parameters.filter { $0.spec.expert == nil && $0.rule.learns } }

  private func begin(_ parameter: TrainedParameter, _ gradients: LeafGradients) throws {
    try reductions[parameter.spec.id]?.begin(gradients.wholeSums(of: parameter.spec.id))
  }

  /// Finishes the sums of gradients: each rank gets those of its slices. Collective.
  func reduce(_ gradients: LeafGradients) throws {
    compute.pool.polled = nil
    let exchanged = exchanged
    var next = 0
    for (place, parameter) in exchanged.enumerated() {
      // Others travel while this one's sums are finished.
      while communicator.size > 1, next < exchanged.count, hasRoom {
        try begin(exchanged[next], gradients)
        next += 1
      }
      next = max(next, place + 1)
      guard let reduction = reductions[parameter.spec.id] else { continue }
      let own = UnsafeMutableBufferPointer(start: parameter.gradient.pointer, count: parameter.own.count)
      try reduction.reduceScatter(gradients.wholeSums(of: parameter.spec.id), into: own)
      guard description.tiedEmbeddings, parameter.spec.role == .embedding else { continue }
      // The head's part and the embedding's are added last, each whole.
      let head = AlignedBuffer<Float>(count: own.count)
      try reduction.reduceScatter(
        gradients.wholeSums(of: ParameterID(.head)),
        into: UnsafeMutableBufferPointer(start: head.pointer, count: own.count))
      for i in 0..<own.count { own[i] += head.pointer[i] }
    }
  }

  // MARK: Weights

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
    guard communicator.size > 1 else { return renew(all) }
    // Some travel while those before them, and first of all own experts, are brought to where they are multiplied with.
    let groups = travellingGroups()
    var next = try groups.first.map { try start($0, 0) } ?? []
    renew(all.filter { reductions[$0.spec.id] == nil })
    for (number, group) in groups.enumerated() {
      let gatherings = next
      if number + 1 < groups.count { next = try start(groups[number + 1], number + 1) }
      for (parameter, gathering) in zip(group, gatherings) { try reductions[parameter.spec.id]?.finish(gathering) }
      expand(group, number)
      renew(group)
    }
  }

  /// Brings values to where both passes see them.
  private func renew(_ parameters: [TrainedParameter]) {
    let (compute, held) = (compute, held)
    compute.pool.run { worker in
      for parameter in parameters where parameter.spec.offset != 0 {
        let values = parameter.values.pointer
        for i in compute.share(of: parameter.spec.elementCount, worker: worker) { values[i] += parameter.spec.offset }
      }
      compute.pool.barrier(worker: worker)
      for parameter in parameters { held.replace(parameter.spec, with: parameter.values.pointer, worker: worker) }
    }
  }

  /// Numbers that travel together, unless one parameter has more: 4 MiB of them.
  static let groupCount = 2 << 20

  /// Parameters that every rank computes with, in the order in which they travel.
  private func travellingGroups() -> [[TrainedParameter]] {
    var (groups, count) = ([[TrainedParameter]](), 0)
    for parameter in parameters where reductions[parameter.spec.id] != nil {
      let isFull = groups.last.map { $0.count >= limit } ?? true
      if isFull || count + parameter.spec.elementCount > Self.groupCount {
        groups.append([])
        count = 0
      }
      groups[groups.count - 1].append(parameter)
      count += parameter.spec.elementCount
    }
    return groups
  }

  /// Starts to bring each rank's slices of values to all. Collective.
  private func start(_ group: [TrainedParameter], _ number: Int) throws -> [TreeReduction.Gathering] {
    let rounded = group.filter { isRounded($0) }
    let count = rounded.reduce(0) { $0 + $1.spec.elementCount }
    if travelling[number % 2].count < count { travelling[number % 2] = AlignedBuffer(count: count) }
    let (places, compute) = (halves(of: group, number), compute)
    compute.pool.run { worker in
      for (parameter, halves) in zip(group, places) {
        guard let halves else { continue }
        let (own, values) = (parameter.own, parameter.values.pointer)
        let share = compute.share(of: own.count, worker: worker)
        for i in (own.lowerBound + share.lowerBound)..<(own.lowerBound + share.upperBound) {
          halves[i] = BFloat16.bits(values[i])
        }
      }
    }
    return try zip(group, places).map { parameter, halves in
      guard let reduction = reductions[parameter.spec.id] else { preconditionFailure("\(parameter.name) stays here") }
      let count = parameter.spec.elementCount
      guard let halves else {
        return try reduction.startGather(UnsafeMutableBufferPointer(start: parameter.values.pointer, count: count))
      }
      return try reduction.startGather(UnsafeMutableBufferPointer(start: halves, count: count))
    }
  }

  /// Where the values of a group travel in bf16; nil for those that do not.
  private func halves(of group: [TrainedParameter], _ number: Int) -> [UnsafeMutablePointer<UInt16>?] {
    var next = travelling[number % 2].pointer
    return group.map { parameter in
      guard isRounded(parameter) else { return nil }
      defer { next += parameter.spec.elementCount }
      return next
    }
  }

  /// Values of what has come in bf16.
  private func expand(_ group: [TrainedParameter], _ number: Int) {
    let (places, compute) = (halves(of: group, number), compute)
    compute.pool.run { worker in
      for (parameter, halves) in zip(group, places) {
        guard let halves else { continue }
        let values = parameter.values.pointer
        let share = compute.share(of: parameter.spec.elementCount, worker: worker)
        for i in share { values[i] = BFloat16.value(halves[i]) }
      }
    }
  }
}

extension TrainedModel: Polled {
  /// Moves the messages of sums on while others are computed.
  package func poll() { do { try communicator.poll() } catch {} }
}
