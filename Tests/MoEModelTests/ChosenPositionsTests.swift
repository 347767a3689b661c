import Testing

@testable import MoEModel

/// Which rows of a batch need a choice of positions, and whose scores are held at once.
struct ChosenPositionsTests {
  /// Chunks as `(start, count)`; their blocks are never read.
  private func batch(_ chunks: [(start: Int, count: Int)], _ blocks: UnsafePointer<UnsafeRawPointer?>) -> DecoderBatch {
    var batch = DecoderBatch()
    for chunk in chunks {
      batch.chunks.append(
        DecoderBatch.Chunk(
          firstRow: batch.tokens.count, count: chunk.count, startPosition: chunk.start, blocks: blocks, outputs: .none))
      batch.tokens += Array(repeating: 0, count: chunk.count)
    }
    return batch
  }

  @Test func rowsWithNoMorePositionsThanAreChosenNeedNoChoice() {
    var none: UnsafeRawPointer?
    let chosen = ChosenPositions(topK: 8)
    chosen.begin(batch([(0, 8), (7, 1), (3, 2)], &none))
    #expect(chosen.isEmpty && chosen.groupCount == 0)
    let mixed = batch([(0, 10), (20, 2), (7, 3)], &none)
    chosen.begin(mixed)
    #expect(mixed.chunks.map(chosen.denseCount) == [8, 0, 1])
    #expect(chosen.groupCount == 1 && chosen.group(0) == 0..<6)
    #expect((0..<6).map { chosen[$0].row } == [8, 9, 10, 11, 13, 14])
    #expect((0..<6).map { chosen[$0].length } == [9, 10, 21, 22, 9, 10])
    chosen.begin(batch([(0, 4)], &none))
    #expect(chosen.isEmpty)
  }

  @Test func groupsHoldNoMoreScoresThanThereIsRoomFor() {
    var none: UnsafeRawPointer?
    for room in [1, 9, 30, 50, 1000] {
      let chosen = ChosenPositions(topK: 4, scoreRoom: room)
      chosen.begin(batch([(0, 12), (100, 1), (2, 9)], &none))
      var passed = 0
      for index in 0..<chosen.groupCount {
        let group = chosen.group(index)
        #expect(group.lowerBound == passed && !group.isEmpty)
        passed = group.upperBound
        var end = 0
        for place in group {
          #expect(chosen[place].firstScore == end)
          end += chosen[place].length
        }
        #expect(end <= room || group.count == 1)
      }
      #expect(passed == 8 + 1 + 7)
    }
  }
}
