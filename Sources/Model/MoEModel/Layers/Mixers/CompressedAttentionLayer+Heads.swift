import Kernels
import Machine
import Tensors

// What heads attend, and the way from there to the residual stream.
extension CompressedAttentionLayer {
  /// Into how many parts a token's heads are cut, so that few tokens keep all workers busy: each part gathers the same
  /// entries once more.
  func headParts(rows: Int) -> Int {
    var parts = 1
    while rows * parts < 2 * compute.workerCount, shape.headCount % (2 * parts) == 0 { parts *= 2 }
    return parts
  }

  /// Takes (token, part of its heads) tasks until none is left.
  func attend(_ batch: DecoderBatch, rows: Int, parts: Int, worker: Int) {
    let chosen = scratch.indexing?.chosen
    var wanted = scratch.nextTask.take()
    var (passed, choices) = (0, 0)
    for (number, chunk) in batch.chunks.enumerated() {
      let places = scratch.chunks.elements[number]
      let dense = chosen?.denseCount(chunk) ?? chunk.count
      while wanted < passed + chunk.count * parts {
        let (i, part) = (wanted - passed).quotientAndRemainder(dividingBy: parts)
        let list = scratch.workers[worker].positions
        list.removeAll()
        if let chosen, i >= dense {
          list.extend(by: chosen.topK).update(from: chosen.positions(choices + i - dense), count: chosen.topK)
        } else if let ratio = shape.ratio {
          for entry in 0..<((chunk.startPosition + i + 1) / ratio) { list.append(UInt32(entry)) }
        }
        // Of a block all of it, and the whole window before it.
        let visible =
          shape.seesBlock ? places.earlier + chunk.count : min(shape.window, chunk.startPosition + i + 1)
        let last = places.windowStart + places.earlier + (shape.seesBlock ? chunk.count - 1 : i)
        for position in (last - visible + 1)...last { list.append(UInt32(position)) }
        attend(scratch.view(places), list, row: chunk.firstRow + i, rows: rows, part: part, of: parts, worker: worker)
        wanted = scratch.nextTask.take()
      }
      passed += chunk.count * parts
      choices += chunk.count - dense
    }
  }

  /// A part of a token's heads over the positions in `list`, turned back.
  private func attend(
    _ view: CacheView, _ list: GrowingList<UInt32>, row: Int, rows: Int, part: Int, of parts: Int, worker: Int
  ) {
    let (own, dims, count) = (scratch.workers[worker], shape.headDims, shape.headCount / parts)
    let (query, values) = (scratch.query(rows)[row], scratch.values(rows)[row])
    for head in (part * count)..<((part + 1) * count) {
      own.attention.add(
        QueryRow(
          query: query + head * dims, out: values + head * dims, sink: weights.sinks.pointer + head, begin: 0,
          end: list.count))
    }
    own.attention.attend(compute, view, positions: list.elements, scale: scale)
    rotary.rotateBack(
      values + part * count * dims + dims - shape.rotaryDims, heads: count, stride: dims, row: row)
  }

  /// output · [each group's matrix · what its heads attended]; all have attended when it begins.
  func contract(into update: MatrixView<Float>, rows: Int, worker: Int) {
    let (values, low, pool) = (scratch.values(rows), scratch.low(rows), compute.pool)
    let (groups, width, rank) = (shape.groupCount, shape.groupWidth, shape.groupRank)
    for piece in compute.share(of: rows * groups, worker: worker) {
      scratch.roundedGroups.round(compute, row: piece, values.start + piece * width)
    }
    pool.barrier(worker: worker)
    let x = scratch.roundedGroups.rows(of: values.start, stride: width)
    for group in 0..<groups {
      weights.outputDown[group].multiply(
        compute, worker: worker, x.strided(from: group, by: groups),
        into: low.columns((group * rank)..<((group + 1) * rank)))
    }
    pool.barrier(worker: worker)
    scratch.roundedLow.share(compute, worker: worker, low.start, stride: low.stride, count: rows)
    pool.barrier(worker: worker)
    weights.output.multiply(compute, worker: worker, scratch.roundedLow.rows(of: low), into: update)
  }
}
