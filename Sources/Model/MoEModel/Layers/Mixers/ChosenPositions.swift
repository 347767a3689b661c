import Kernels
import Tensors

/// Which positions, or entries of several, the tokens of a batch attend that have more before them than they may:
/// chosen in a layer with an indexer, and read there and in the layers after it that share its choice.
final class ChosenPositions {
  /// A token that does not attend all positions.
  struct Row {
    /// Of the batch.
    let row: Int
    /// Positions it could attend, or entries.
    let length: Int
    /// Addresses of its sequence's cache blocks.
    let blocks: UnsafePointer<UnsafeRawPointer?>
    /// Where its scores begin among those of its group.
    let firstScore: Int
  }

  /// Positions of one task: long enough to be worth taking, short enough to be shared when there is one token.
  static let runLength = 32 * Compute.indexTile

  let topK: Int
  /// Positions that come to one thing to be chosen: 1, or more where entries are.
  private let ratio: Int
  private let scoreRoom: Int
  private let rows = GrowingList<Row>()
  /// Where each group of rows ends whose scores are held at once.
  private let groupEnds = GrowingList<Int>()
  private let scores = RowStorage<Float>(columns: 1)
  private let chosen: RowStorage<UInt32>

  /// `scoreRoom`: how many scores are held at once, unless one token has more; 16 MiB.
  init(topK: Int, ratio: Int = 1, scoreRoom: Int = 4 << 20) {
    (self.topK, self.ratio, self.scoreRoom) = (topK, ratio, scoreRoom)
    chosen = RowStorage(columns: topK)
  }

  /// Tokens of a chunk that attend all positions; the others follow them.
  func denseCount(_ chunk: DecoderBatch.Chunk) -> Int {
    min(chunk.count, max(0, (topK + 1) * ratio - 1 - chunk.startPosition))
  }

  /// Finds the rows of a batch that need a choice, and makes room for it.
  func begin(_ batch: DecoderBatch) {
    rows.removeAll()
    groupEnds.removeAll()
    var (used, most) = (0, 0)
    for chunk in batch.chunks {
      for i in denseCount(chunk)..<chunk.count {
        let length = (chunk.startPosition + i + 1) / ratio
        if used > 0, used + length > scoreRoom {
          groupEnds.append(rows.count)
          used = 0
        }
        rows.append(Row(row: chunk.firstRow + i, length: length, blocks: chunk.blocks, firstScore: used))
        used += length
        most = max(most, used)
      }
    }
    guard rows.count > 0 else { return }
    groupEnds.append(rows.count)
    scores.reserve(rows: most)
    chosen.reserve(rows: rows.count)
  }

  var isEmpty: Bool { rows.count == 0 }
  /// Of all groups together.
  var rowCount: Int { rows.count }
  var groupCount: Int { groupEnds.count }

  /// The rows of a group, by their place among all.
  func group(_ index: Int) -> Range<Int> {
    (index == 0 ? 0 : groupEnds.elements[index - 1])..<groupEnds.elements[index]
  }

  subscript(place: Int) -> Row { rows.elements[place] }

  private func runCount(_ place: Int) -> Int { (self[place].length + Self.runLength - 1) / Self.runLength }

  /// Tasks of all rows of a group together.
  func runCount(_ group: Range<Int>) -> Int { group.reduce(0) { $0 + runCount($1) } }

  /// Calls `body` with the rows of a group that some of its tasks are of, and their positions.
  func forEachPiece(_ group: Range<Int>, runs wanted: Range<Int>, _ body: (Row, Range<Int>) -> Void) {
    var passed = 0
    for place in group where passed < wanted.upperBound {
      let runs = runCount(place)
      let (first, end) = (max(wanted.lowerBound, passed), min(wanted.upperBound, passed + runs))
      if first < end {
        let row = self[place]
        body(row, ((first - passed) * Self.runLength)..<min((end - passed) * Self.runLength, row.length))
      }
      passed += runs
    }
  }

  /// Where the scores of a row of the group in hand lie, `[length]`.
  func scores(of row: Row) -> UnsafeMutablePointer<Float> {
    scores.view(rows: row.firstScore + row.length).start + row.firstScore
  }

  /// Chooses the positions with the greatest scores for the worker's share of a group's rows, when all of their scores
  /// are there.
  func choose(_ group: Range<Int>, _ compute: Compute, worker: Int) {
    for place in group where (place - group.lowerBound) % compute.workerCount == worker {
      let row = self[place]
      compute.chooseGreatest(scores(of: row), count: row.length, wanted: topK, into: positions(place))
    }
  }

  /// The positions chosen for the row at a place among all, `[topK]`, ascending.
  func positions(_ place: Int) -> UnsafeMutablePointer<UInt32> { chosen.view(rows: place + 1)[place] }
}
