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
  private var gathered = AlignedBuffer<Float>(count: 1)
  private var gate = AlignedBuffer<Float>(count: 1)
  private var up = AlignedBuffer<Float>(count: 1)
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
  }

  /// Whether this rank holds the expert.
  package func holds(layer: Int, expert: Int) -> Bool {
    expertsByLayer[layer].indices.contains(expert) && expertsByLayer[layer][expert] != nil
  }

  /// output[v] = weight(v) · expert(v)(inputs[row(v)]) for each visit v; each input is `[hidden]`, `output`
  /// `[visits, hidden]`. Every visited expert must be held here.
  package func run(
    layer: Int, inputs: UnsafePointer<UnsafePointer<Float>>, visits: UnsafeBufferPointer<ExpertVisit>,
    output: UnsafeMutablePointer<Float>
  ) {
    guard visits.count > 0 else { return }
    group(visits)
    expertsVisited += groups.count
    reserve(visits.count)
    let experts = expertsByLayer[layer]
    let (groups, places, hidden, intermediate) = (groups, places.pointer, hiddenSize, intermediateSize)
    let (gathered, gate, up) = (gathered.pointer, gate.pointer, up.pointer)
    // places[p] is the visit at place p of the expert order; a group's rows lie side by side.
    compute.pool.run { worker in
      for place in compute.share(of: visits.count, worker: worker) {
        (gathered + place * hidden).update(from: inputs[Int(visits[Int(places[place])].row)], count: hidden)
      }
      compute.pool.barrier(worker: worker)
      for group in groups {
        let weights = experts[group.expert]!
        weights.gateAndUp(
          compute, worker: worker, activation: activation, x: gathered + group.first * hidden, xStride: hidden,
          count: group.count, gate: gate + group.first * intermediate, up: up + group.first * intermediate,
          stride: intermediate)
      }
      compute.pool.barrier(worker: worker)
      // The gathered inputs have been read by all: their rows take the results.
      for group in groups {
        experts[group.expert]!.down.multiply(
          compute, worker: worker, x: gate + group.first * intermediate, xStride: intermediate, count: group.count,
          y: gathered + group.first * hidden, yStride: hidden)
      }
      compute.pool.barrier(worker: worker)
      for place in compute.share(of: visits.count, worker: worker) {
        let visit = Int(places[place])
        compute.scale(gathered + place * hidden, by: visits[visit].weight, into: output + visit * hidden, count: hidden)
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

  private func reserve(_ visits: Int) {
    guard capacity < visits else { return }
    capacity = visits + visits / 2
    gathered = AlignedBuffer(count: capacity * hiddenSize)
    gate = AlignedBuffer(count: capacity * intermediateSize)
    up = AlignedBuffer(count: capacity * intermediateSize)
  }
}

extension FeedForwardWeights {
  /// gate := activation(gate(x), up(x)) for this worker's columns; strides count floats.
  func gateAndUp(
    _ compute: Compute, worker: Int, activation: Activation, x: UnsafePointer<Float>, xStride: Int, count: Int,
    gate gateOut: UnsafeMutablePointer<Float>, up upOut: UnsafeMutablePointer<Float>, stride: Int
  ) {
    let columns = gate.rowRange(worker: worker)
    guard !columns.isEmpty else { return }
    gate.multiply(compute, worker: worker, x: x, xStride: xStride, count: count, y: gateOut, yStride: stride)
    up.multiply(compute, worker: worker, x: x, xStride: xStride, count: count, y: upOut, yStride: stride)
    for row in 0..<count {
      let g = gateOut + row * stride + columns.lowerBound
      let u = upOut + row * stride + columns.lowerBound
      switch activation {
      case .swiGLU: compute.siluMultiply(gate: g, up: u, out: g, count: columns.count)
      case .clampedSwiGLU(let alpha, let limit):
        compute.clampedSwiGLU(gate: g, up: u, out: g, count: columns.count, alpha: alpha, limit: limit)
      }
    }
  }
}
