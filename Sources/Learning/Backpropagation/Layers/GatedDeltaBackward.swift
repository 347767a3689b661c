import Gradients
import Kernels
import Machine
import MoEModel
import Tensors

/// Of gated DeltaNet. Workers share sequences and key heads: a key head's value heads are taken in ascending order, in
/// which the gradients of the query and key that they share are added. A sequence's tokens are taken from the last to
/// the first, from states that are made again on the way (`delta_gradient.h`).
final class GatedDeltaBackward: MixerBackward {
  /// As in the forward pass.
  private static let lengthEpsilon: Float = 1e-6
  private let layer: Int
  private let shape: GatedDelta
  /// On queries.
  private let scale: Float
  private let epsilon: Float
  private let parts: BackwardParts
  /// By what heads gave, then by their gates.
  private let gateGradientRows: RowStorage<Float>
  /// What heads recalled, after the norm, then the gradient by that, and by what it was before.
  private let recalledGradientRows: RowStorage<Float>
  /// By queries, keys and values after the convolution, then before its activation; and as they were projected.
  private let channelGradientRows: RowStorage<Float>
  private let mixedGradientRows: RowStorage<Float>
  /// As projections are stored where they are fused.
  private let fusedGradientRows: RowStorage<Float>
  /// `[rows, betas | decays]`: by β and e^g, and as they were projected.
  private let betaGradientRows: RowStorage<Float>
  private let rateGradientRows: RowStorage<Float>
  /// `[rows, value heads | value heads]`: by what is added to decays, and by the logarithms of their rates.
  private let decayGradientRows: RowStorage<Float>
  /// Of each worker, one row: channels before the activation, after it, and what nobody asks for.
  private let workers: [RowStorage<Float>]
  /// The convolution `[taps, channels]`, and with its taps in reverse.
  private let turned: AlignedBuffer<Float>
  private let reversed: AlignedBuffer<Float>
  /// By which lengths of queries and keys are given, as the weight of a norm.
  private let queryWeight: AlignedBuffer<Float>
  private let keyWeight: AlignedBuffer<Float>
  private var ones = AlignedBuffer<Float>(count: 0)

  init(_ layer: Int, _ shape: GatedDelta, scale: Float, epsilon: Float, _ parts: BackwardParts) {
    (self.layer, self.shape, self.scale, self.epsilon, self.parts) = (layer, shape, scale, epsilon, parts)
    let (channels, heads) = (shape.channels, shape.valueHeadCount)
    gateGradientRows = parts.rows(.output, columns: shape.valueWidth)
    recalledGradientRows = parts.rows(.gate, columns: shape.valueWidth)
    channelGradientRows = parts.rows(.expandedGradient, columns: channels)
    mixedGradientRows = parts.rows(.keyValue, columns: channels)
    fusedGradientRows = parts.rows(.expanded, columns: shape.projections == .fused ? channels + shape.valueWidth : 0)
    betaGradientRows = parts.rows(.betas, columns: 2 * heads)
    rateGradientRows = parts.rows(.rates, columns: 2 * heads)
    decayGradientRows = parts.rows(.decays, columns: 2 * heads)
    workers = (0..<parts.compute.compute.workerCount).map { parts.rows(.ofWorker($0), columns: 3 * channels) }
    turned = AlignedBuffer(count: shape.taps * channels)
    reversed = AlignedBuffer(count: shape.taps * channels)
    let root = Float(shape.keyDims).squareRoot()
    queryWeight = AlignedBuffer(Array(repeating: scale / root, count: shape.keyDims))
    keyWeight = AlignedBuffer(Array(repeating: 1 / root, count: shape.keyDims))
  }

  func run(_ tape: MixerTape) throws {
    let rows = parts.rowCount
    guard case .delta(let tape) = tape, rows > 0 else { return }
    reserve(rows)
    let (hidden, outputs) = (parts.stream.columns, gateGradientRows.view(rows: rows))
    parts.normalize(tape.input, .attentionNorm, layer: layer)
    parts.backThrough(
      parts.matrix(.delta(.output), layer, rows: hidden, columns: shape.valueWidth), dy: parts.stream, into: outputs)
    try parts.gradients.addProduct(id(.output), dy: parts.stream, x: tape.values)
    try close(tape)
    recall(tape)
    try backThroughRates(tape)
    try backThroughConvolution(tape)
    try backThroughProjections(hidden: hidden)
    try parts.endNorm(tape.input, .attentionNorm, layer: layer)
  }

  private func id(_ part: ParameterRole.DeltaPart) -> ParameterID { ParameterID(.delta(part), layer: layer) }

  private func reserve(_ rows: Int) {
    for storage in [
      gateGradientRows, recalledGradientRows, channelGradientRows, mixedGradientRows, fusedGradientRows,
      betaGradientRows, rateGradientRows, decayGradientRows,
    ] { storage.reserve(rows: rows) }
    for worker in workers { worker.reserve(rows: 1) }
    let longest = parts.gradients.longestSequence
    parts.compute.reserve(tokens: longest, keyDims: shape.keyDims)
    let count = max(longest, shape.channels)
    if ones.count < count { ones = AlignedBuffer(Array(repeating: 1, count: count)) }
    let (stored, channels, taps) = (parts.values.values(id(.convolution)), shape.channels, shape.taps)
    for channel in 0..<channels {
      for tap in 0..<taps {
        turned.pointer[tap * channels + channel] = stored[channel * taps + tap]
        reversed.pointer[(taps - 1 - tap) * channels + channel] = stored[channel * taps + tap]
      }
    }
  }

  /// Back through gates, and through the norm of what heads recalled.
  private func close(_ tape: GatedDeltaTape) throws {
    let (gates, recalled) = (
      gateGradientRows.view(rows: parts.rowCount), recalledGradientRows.view(rows: parts.rowCount)
    )
    let (dims, weight, compute) = (shape.valueDims, parts.values.values(id(.norm)), parts.compute.compute)
    parts.forEachRow { row in
      compute.rmsNorm(
        tape.recalled[row], stride: dims, rows: shape.valueHeadCount, count: dims, weight: weight, epsilon: epsilon,
        out: recalled[row], outStride: dims)
      compute.activationGradient(
        .swiGLU, gate: tape.gate[row], up: recalled[row], gradient: gates[row], gateGradient: gates[row],
        upGradient: recalled[row], count: shape.valueWidth)
    }
    try parts.norm(id(.norm), tape.recalled, recalled, vectors: shape.valueHeadCount, into: recalled, epsilon: epsilon)
  }

  /// Back through the rule, of every sequence and key head.
  private func recall(_ tape: GatedDeltaTape) {
    let (sequences, heads, next) = (parts.gradients.sequences, shape.keyHeadCount, TaskCounter())
    parts.compute.compute.pool.run { worker in
      while true {
        let task = next.take()
        guard task < sequences.count * heads else { return }
        recall(tape, sequences[task / heads], keyHead: task % heads, worker: worker)
      }
    }
  }

  private func recall(_ tape: GatedDeltaTape, _ rows: Range<Int>, keyHead: Int, worker: Int) {
    func own(_ storage: RowStorage<Float>) -> MatrixView<Float> { storage.view(rows: rows.upperBound).rows(rows) }
    let (gradients, rates) = (own(channelGradientRows), own(betaGradientRows))
    let (convolved, betas, dOut) = (tape.convolved.rows(rows), tape.betas.rows(rows), own(recalledGradientRows))
    let (dims, each, heads) = (shape.valueDims, shape.valuesPerKey, shape.valueHeadCount)
    let query = (keyHead * shape.keyDims)..<((keyHead + 1) * shape.keyDims)
    let key = (query.lowerBound + shape.keyWidth)..<(query.upperBound + shape.keyWidth)
    for head in (keyHead * each)..<((keyHead + 1) * each) {
      let first = 2 * shape.keyWidth + head * dims
      let values = first..<(first + dims)
      parts.compute.recall(
        DeltaGradient(
          query: convolved.columns(query), key: convolved.columns(key), value: convolved.columns(values),
          outputGradient: dOut.head(head, of: dims), decay: betas.head(heads + head, of: 1),
          beta: betas.head(head, of: 1), queryGradient: gradients.columns(query), keyGradient: gradients.columns(key),
          valueGradient: gradients.columns(values), decayGradient: rates.head(heads + head, of: 1),
          betaGradient: rates.head(head, of: 1), adding: head > keyHead * each), worker: worker)
    }
  }

  /// Back from β = sigmoid(b) and e^g, g = −e^A · softplus(a + bias), to b and a as they were projected.
  private func backThroughRates(_ tape: GatedDeltaTape) throws {
    let (rows, heads) = (parts.rowCount, shape.valueHeadCount)
    let (made, projected) = (betaGradientRows.view(rows: rows), rateGradientRows.view(rows: rows))
    let (decays, places) = (decayGradientRows.view(rows: rows), shape.ratePlaces)
    let (bias, logarithms) = (parts.values.values(id(.decayBias)), parts.values.values(id(.decayRate)))
    parts.forEachRow { row in
      let (known, gradient, rates) = (tape.betas[row], made[row], tape.rates[row])
      for head in 0..<heads {
        let place = places[head]
        let (beta, left) = (known[head], known[heads + head])
        projected[row][place.beta] = gradient[head] * (beta * (1 - beta))
        let (shifted, rate) = (rates[place.decay] + bias[head], exponential(logarithms[head]))
        // By g, and from there to both of its factors.
        let byExponent = gradient[heads + head] * left
        let byShifted = -(byExponent * rate) * sigmoid(shifted)
        (projected[row][place.decay], decays[row][head]) = (byShifted, byShifted)
        decays[row][heads + head] = -(byExponent * (rate * softplus(shifted)))
      }
    }
    for (part, columns) in [(ParameterRole.DeltaPart.decayBias, 0..<heads), (.decayRate, heads..<(2 * heads))] {
      try parts.gradients.add(id(part)) { rows, target in
        parts.compute.sumRows(StridedMatrix(decays.columns(columns)).rows(rows), into: target, worker: 0)
      }
    }
  }

  /// Back through lengths, activation and convolution, to queries, keys and values as they were projected.
  private func backThroughConvolution(_ tape: GatedDeltaTape) throws {
    let rows = parts.rowCount
    let (gradients, mixed) = (channelGradientRows.view(rows: rows), mixedGradientRows.view(rows: rows))
    let (sequences, pool, compute) = (parts.gradients.sequences, parts.compute.compute.pool, parts.compute.compute)
    let (channels, taps) = (shape.channels, shape.taps)
    pool.run { worker in
      forEachRow(sequences, compute.share(of: rows, worker: worker)) { row, sequence in
        activate(tape, row: row, sequence: sequence, gradients[row], worker: worker)
      }
      pool.barrier(worker: worker)
      forEachRow(sequences, compute.share(of: rows, worker: worker)) { row, sequence in
        compute.sumOfProducts(
          VectorRows(gradients[row], rowStride: gradients.stride, vectorStride: 0),
          VectorRows(reversed.pointer, rowStride: channels, vectorStride: 0),
          rows: min(taps, sequence.upperBound - row), count: channels, ones: ones.pointer, out: mixed[row])
      }
    }
    try parts.gradients.add(id(.convolution)) { leaf, part in
      for sequence in sequences where leaf.contains(sequence.lowerBound) {
        addConvolution(tape, gradients, sequence, to: part)
      }
    }
  }

  /// Calls `body` for rows of `share` with the sequences that they are of.
  private func forEachRow(
    _ sequences: [Range<Int>], _ share: Range<Int>, _ body: (_ row: Int, _ sequence: Range<Int>) -> Void
  ) {
    for sequence in sequences {
      for row in share.clamped(to: sequence) { body(row, sequence) }
    }
  }

  /// `gradient` by a row's channels after the convolution becomes that by its sums.
  private func activate(
    _ tape: GatedDeltaTape, row: Int, sequence: Range<Int>, _ gradient: UnsafeMutablePointer<Float>, worker: Int
  ) {
    let (compute, channels, width) = (parts.compute.compute, shape.channels, shape.keyWidth)
    let scratch = workers[worker].view(rows: 1)[0]
    let (sums, activated, spare) = (scratch, scratch + channels, scratch + 2 * channels)
    let seen = min(shape.taps, row - sequence.lowerBound + 1)
    compute.sumOfProducts(
      VectorRows(tape.mixed[row - seen + 1], rowStride: tape.mixed.stride, vectorStride: 0),
      VectorRows(turned.pointer + (shape.taps - seen) * channels, rowStride: channels, vectorStride: 0), rows: seen,
      count: channels, ones: ones.pointer, out: sums)
    compute.siluMultiply(gate: sums, up: ones.pointer, out: activated, count: 2 * width)
    // x / √(Σ x² + ε) is the norm of x with ε / n, over √n.
    for (first, weight) in [(0, queryWeight), (width, keyWeight)] {
      compute.rmsNormGradient(
        activated + first, stride: shape.keyDims, gradient: gradient + first, gradientStride: shape.keyDims,
        rows: shape.keyHeadCount, count: shape.keyDims, weight: weight.pointer,
        epsilon: Self.lengthEpsilon / Float(shape.keyDims), out: gradient + first, outStride: shape.keyDims,
        scales: spare)
    }
    compute.activationGradient(
      .swiGLU, gate: sums, up: ones.pointer, gradient: gradient, gateGradient: gradient, upGradient: spare,
      count: channels)
  }

  /// Adds a sequence's part of the convolution's gradient, `[channels, taps]`: of each tap a sum over tokens.
  private func addConvolution(
    _ tape: GatedDeltaTape, _ gradients: MatrixView<Float>, _ sequence: Range<Int>,
    to part: UnsafeMutablePointer<Float>
  ) {
    let (compute, taps) = (parts.compute.compute, shape.taps)
    compute.pool.run { worker in
      let share = compute.share(of: shape.channels, worker: worker)
      guard !share.isEmpty else { return }
      let sums = workers[worker].view(rows: 1)[0]
      for tap in 0..<taps where taps - 1 - tap < sequence.count {
        let shift = taps - 1 - tap
        compute.sumOfProducts(
          VectorRows(
            tape.mixed[sequence.lowerBound] + share.lowerBound, rowStride: tape.mixed.stride, vectorStride: 0),
          VectorRows(
            gradients[sequence.lowerBound + shift] + share.lowerBound, rowStride: gradients.stride, vectorStride: 0),
          rows: sequence.count - shift, count: share.count, ones: ones.pointer, out: sums)
        for (i, channel) in share.enumerated() { part[channel * taps + tap] += sums[i] }
      }
    }
  }

  /// Back through the projections of the hidden state.
  private func backThroughProjections(hidden: Int) throws {
    let (rows, heads) = (parts.rowCount, shape.valueHeadCount)
    let (mixed, gates) = (mixedGradientRows.view(rows: rows), gateGradientRows.view(rows: rows))
    let rates = rateGradientRows.view(rows: rows)
    switch shape.projections {
    case .fused:
      let fused = fusedGradientRows.view(rows: rows)
      parts.forEachRow { shape.fuse(mixed[$0], gates: gates[$0], into: fused[$0]) }
      try project(.input, fused, hidden: hidden, adding: false)
      try project(.beta, rates, hidden: hidden, precision: .float32)
    case .separate:
      try project(.input, mixed, hidden: hidden, adding: false)
      try project(.gate, gates, hidden: hidden)
      try project(.beta, rates.columns(0..<heads), hidden: hidden, precision: .float32)
      try project(.decay, rates.columns(heads..<(2 * heads)), hidden: hidden, precision: .float32)
    }
  }

  private func project(
    _ part: ParameterRole.DeltaPart, _ dy: MatrixView<Float>, hidden: Int, adding: Bool = true,
    precision: ProductPrecision? = nil
  ) throws {
    try parts.gradients.addProduct(id(part), dy: dy, x: parts.normed, precision: precision)
    parts.backThrough(
      parts.matrix(.delta(part), layer, rows: dy.columns, columns: hidden), dy: dy, into: parts.normedGradient,
      adding: adding, precision: precision)
  }
}

extension GatedDelta {
  /// By value head, the columns of its beta and of its decay among projections.
  var ratePlaces: [(beta: Int, decay: Int)] {
    (0..<valueHeadCount).map { head in
      guard projections == .fused else { return (head, valueHeadCount + head) }
      // For each key head its betas, and then its decays.
      let place = head / valuesPerKey * 2 * valuesPerKey + head % valuesPerKey
      return (place, place + valuesPerKey)
    }
  }

  /// Puts numbers of channels and gates where fused projections have them: for each key head query, key, values, gates.
  func fuse(_ mixed: UnsafePointer<Float>, gates: UnsafePointer<Float>, into fused: UnsafeMutablePointer<Float>) {
    let values = valuesPerKey * valueDims
    for head in 0..<keyHeadCount {
      let group = fused + head * 2 * (keyDims + values)
      group.update(from: mixed + head * keyDims, count: keyDims)
      (group + keyDims).update(from: mixed + keyWidth + head * keyDims, count: keyDims)
      (group + 2 * keyDims).update(from: mixed + 2 * keyWidth + head * values, count: values)
      (group + 2 * keyDims + values).update(from: gates + head * values, count: values)
    }
  }
}
