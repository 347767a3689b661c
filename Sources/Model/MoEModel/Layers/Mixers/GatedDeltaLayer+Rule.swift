import Kernels
import Tensors

// The rule, and what is kept of it.
extension GatedDeltaLayer {
  /// Into how many parts a head's panels are cut, so that no worker is idle for long: one where heads and sequences are
  /// many.
  func panelParts(_ batch: DecoderBatch) -> Int {
    let panels = Compute.deltaPanels(valueDims: shape.valueDims)
    let tasks = max(1, batch.chunks.count * shape.valueHeadCount)
    return min(panels, (4 * compute.workerCount + tasks - 1) / tasks)
  }

  /// Takes (chunk, head, part of its panels) tasks until none is left.
  func recall(_ batch: DecoderBatch, parts: Int, worker: Int, rows: Int) {
    let panels = Compute.deltaPanels(valueDims: shape.valueDims)
    let tasks = shape.valueHeadCount * parts
    var wanted = scratch.nextTask.take()
    while wanted < batch.chunks.count * tasks {
      let (chunk, task) = (wanted / tasks, wanted % tasks)
      let (head, part) = (task / parts, task % parts)
      recall(batch, chunk, head: head, panels: (panels * part / parts)..<(panels * (part + 1) / parts), rows: rows)
      wanted = scratch.nextTask.take()
    }
  }

  /// One head's panels over a chunk, stopping where a snapshot wants them.
  private func recall(_ batch: DecoderBatch, _ chunk: Int, head: Int, panels: Range<Int>, rows: Int) {
    let place = shape.windowCount + head * shape.headStateCount
    let matrix = base(batch.chunks[chunk].state) + place
    let panelCount = shape.keyDims * Compute.deltaPanel
    var done = 0
    for snapshot in batch.snapshots where snapshot.chunk == chunk {
      recall(batch.chunks[chunk], head: head, panels: panels, tokens: done..<snapshot.count, matrix, rows: rows)
      let first = panels.lowerBound * panelCount
      (state.base(snapshot.state) + place + first).update(from: matrix + first, count: panels.count * panelCount)
      done = snapshot.count
    }
    recall(
      batch.chunks[chunk], head: head, panels: panels, tokens: done..<batch.chunks[chunk].count, matrix, rows: rows)
  }

  private func recall(
    _ chunk: DecoderBatch.Chunk, head: Int, panels: Range<Int>, tokens: Range<Int>,
    _ matrix: UnsafeMutablePointer<Float>, rows: Int
  ) {
    guard !tokens.isEmpty else { return }
    let row = chunk.firstRow + tokens.lowerBound
    let (convolved, betas, values) = (scratch.convolved(rows), scratch.betas(rows), recalled(rows))
    let (heads, keys) = (shape.valueHeadCount, head / shape.valuesPerKey * shape.keyDims)
    let query = convolved[row] + keys
    compute.deltaRule(
      state: matrix, keyDims: shape.keyDims, valueDims: shape.valueDims, panels: panels,
      DeltaTokens(
        query: query, key: query + shape.keyWidth, keyStride: convolved.stride,
        value: convolved[row] + 2 * shape.keyWidth + head * shape.valueDims, valueStride: convolved.stride,
        decay: betas[row] + heads + head, beta: betas[row] + head, gateStride: betas.stride,
        out: values[row] + head * shape.valueDims, outStride: values.stride),
      count: tokens.count)
  }

  /// Puts the latest tokens' channels into the state's window, and into those of snapshots before that.
  func keepWindow(_ batch: DecoderBatch, _ index: Int) {
    let chunk = batch.chunks[index]
    let window = base(chunk.state)
    for snapshot in batch.snapshots where snapshot.chunk == index {
      keepWindow(chunk, count: snapshot.count, from: window, to: state.base(snapshot.state))
    }
    keepWindow(chunk, count: chunk.count, from: window, to: window)
  }

  /// The window after `count` tokens of a chunk; it may take its own place, as rows move towards its start only.
  private func keepWindow(
    _ chunk: DecoderBatch.Chunk, count: Int, from window: UnsafeMutablePointer<Float>,
    to target: UnsafeMutablePointer<Float>
  ) {
    let (kept, channels) = (shape.taps - 1, shape.channels)
    for i in 0..<kept {
      let at = count - kept + i
      let source =
        at < 0 ? window + (count + i) * channels : scratch.mixed(chunk.firstRow + at + 1)[chunk.firstRow + at]
      (target + i * channels).update(from: source, count: channels)
    }
  }
}
