import Kernels
import Tensors

/// The experts one rank holds, and their arithmetic: visits batched by expert, rows split over workers.
package final class ExpertBank {
  private struct Group {
    var expert: Int
    var first: Int
    var count: Int
  }

  private let compute: Compute
  private let hiddenSize: Int
  private let intermediateSize: Int
  private let activation: Activation
  private let expertsByLayer: [[FeedForwardWeights?]]
  /// Keeps the experts' memory alive.
  private let weights: ModelWeights
  /// Visits the buffers have room for.
  private var capacity = 0
  private var outputs = AlignedBuffer<Float>(count: 1)
  private var gate = AlignedBuffer<Float>(count: 1)
  private var up = AlignedBuffer<Float>(count: 1)
  /// Input rows by number, rounded once; and by place, an expert's side by side.
  private var roundedInputs: RowBuffer
  private var inputCapacity = 0
  private var gathered: RowBuffer
  private var activated: RowBuffer
  private var groups: [Group] = []
  private var places: AlignedBuffer<Int32> = AlignedBuffer(count: 1)
  private var expertCounts: [Int]
  /// Distinct experts visited, counted once for each layer of each step.
  package private(set) var expertsVisited = 0

  /// `weights` of a model with a mixture.
  package init(_ description: DecoderDescription, mixture: MixtureDescription, weights: ModelWeights, compute: Compute) {
    self.compute = compute
    self.weights = weights
    hiddenSize = description.hiddenSize
    intermediateSize = mixture.expertIntermediateSize
    activation = mixture.activation
    expertsByLayer = weights.layers.map { layer in
      if case .mixture(let mixture) = layer.feedForward { mixture.experts } else { [] }
    }
    expertCounts = Array(repeating: 0, count: mixture.expertCount)
    roundedInputs = RowBuffer(weights.rowFormat, columns: hiddenSize, rows: 0)
    gathered = roundedInputs
    activated = RowBuffer(weights.rowFormat, columns: intermediateSize, rows: 0)
  }

  /// Whether this rank holds the expert.
  package func holds(layer: Int, expert: Int) -> Bool {
    expertsByLayer[layer].indices.contains(expert) && expertsByLayer[layer][expert] != nil
  }

  /// output[v] = weight(v) · expert(v)(inputs[row(v)]) for each visit v; each of the `inputCount` inputs is `[hidden]`,
  /// `output` `[visits, hidden]`. Every visited expert must be held here.
  package func run(
    layer: Int, inputs: UnsafePointer<UnsafePointer<Float>>, inputCount: Int, visits: UnsafeBufferPointer<ExpertVisit>,
    output: UnsafeMutablePointer<Float>
  ) {
    guard visits.count > 0 else { return }
    group(visits)
    expertsVisited += groups.count
    reserve(visits.count, inputs: inputCount)
    let experts = expertsByLayer[layer]
    let (groups, places, hidden, intermediate) = (groups, places.pointer, hiddenSize, intermediateSize)
    let (outputs, gate, up, activation) = (outputs.pointer, gate.pointer, up.pointer, activation)
    let (roundedInputs, gathered, activated) = (roundedInputs, gathered, activated)
    // places[p] is the visit at place p of the expert order; a group's rows lie side by side.
    compute.pool.run { worker in
      if gathered.format != .float32 {
        for row in compute.share(of: inputCount, worker: worker) { roundedInputs.round(compute, row: row, inputs[row]) }
        compute.pool.barrier(worker: worker)
      }
      for place in compute.share(of: visits.count, worker: worker) {
        let row = Int(visits[Int(places[place])].row)
        if gathered.format == .float32 {
          (outputs + place * hidden).update(from: inputs[row], count: hidden)
        } else {
          gathered.copy(row: place, from: roundedInputs, row: row)
        }
      }
      compute.pool.barrier(worker: worker)
      let x = gathered.rows(of: outputs, stride: hidden)
      for group in groups {
        experts[group.expert]!.gateAndUp(
          compute, worker: worker, x: x.from(group.first), count: group.count, gate: gate + group.first * intermediate,
          up: up + group.first * intermediate, stride: intermediate)
      }
      compute.pool.barrier(worker: worker)
      // The inputs have been read by all: where they were fp32, their rows take the results.
      activated.share(compute, worker: worker, gate, stride: intermediate, count: visits.count) { place, columns in
        let at = place * intermediate + columns.lowerBound
        compute.activate(activation, gate: gate + at, up: up + at, count: columns.count)
      }
      compute.pool.barrier(worker: worker)
      let y = activated.rows(of: gate, stride: intermediate)
      for group in groups {
        experts[group.expert]!.down.multiply(
          compute, worker: worker, x: y.from(group.first), count: group.count, y: outputs + group.first * hidden,
          yStride: hidden)
      }
      compute.pool.barrier(worker: worker)
      for place in compute.share(of: visits.count, worker: worker) {
        let visit = Int(places[place])
        compute.scale(outputs + place * hidden, by: visits[visit].weight, into: output + visit * hidden, count: hidden)
      }
    }
  }

  /// Orders visits by expert (counting sort, stable) into `places` and `groups`.
  private func group(_ visits: UnsafeBufferPointer<ExpertVisit>) {
    if places.count < visits.count { places = AlignedBuffer(count: visits.count) }
    for e in expertCounts.indices { expertCounts[e] = 0 }
    for visit in visits { expertCounts[Int(visit.expert)] += 1 }
    groups.removeAll(keepingCapacity: true)
    var first = 0
    for e in expertCounts.indices where expertCounts[e] > 0 {
      groups.append(Group(expert: e, first: first, count: expertCounts[e]))
      let count = expertCounts[e]
      expertCounts[e] = first
      first += count
    }
    for v in 0..<visits.count {
      let e = Int(visits[v].expert)
      places.pointer[expertCounts[e]] = Int32(v)
      expertCounts[e] += 1
    }
  }

  private func reserve(_ visits: Int, inputs: Int) {
    if inputCapacity < inputs {
      inputCapacity = inputs + inputs / 2
      roundedInputs = RowBuffer(roundedInputs.format, columns: hiddenSize, rows: inputCapacity)
    }
    guard capacity < visits else { return }
    capacity = visits + visits / 2
    outputs = AlignedBuffer(count: capacity * hiddenSize)
    gate = AlignedBuffer(count: capacity * intermediateSize)
    up = AlignedBuffer(count: capacity * intermediateSize)
    gathered = RowBuffer(gathered.format, columns: hiddenSize, rows: capacity)
    activated = RowBuffer(activated.format, columns: intermediateSize, rows: capacity)
  }
}

extension FeedForwardWeights {
  /// gate(x) and up(x) for this worker's columns; strides count floats.
  func gateAndUp(
    _ compute: Compute, worker: Int, x: Rows, count: Int, gate gateOut: UnsafeMutablePointer<Float>,
    up upOut: UnsafeMutablePointer<Float>, stride: Int
  ) {
    gate.multiply(compute, worker: worker, x: x, count: count, y: gateOut, yStride: stride)
    up.multiply(compute, worker: worker, x: x, count: count, y: upOut, yStride: stride)
  }
}

extension Compute {
  /// gate := activation(gate, up)
  func activate(_ activation: Activation, gate: UnsafeMutablePointer<Float>, up: UnsafeMutablePointer<Float>, count: Int) {
    switch activation {
    case .swiGLU: siluMultiply(gate: gate, up: up, out: gate, count: count)
    case .clampedSwiGLU(let alpha, let limit):
      clampedSwiGLU(gate: gate, up: up, out: gate, count: count, alpha: alpha, limit: limit)
    }
  }
}
