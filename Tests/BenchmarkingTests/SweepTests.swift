import ExpertParallelism
import JSON
import TestSupport
import Testing

@testable import Benchmarking

/// What a sweep keeps, and under which names. `CommandTests` lets one run.
struct SweepTests {
  @Test func everyRunHasFilesOfItsOwn() {
    var names: Set<String> = []
    var count = 0
    for ranks in [1, 2] {
      for experts in [nil, 4] as [Int?] {
        for (batch, isWeak) in [(8, false), (8, true), (16, true)] {
          for prompt in [16, 32] {
            for format in [.float32, .bfloat16] as [WireFormat.Sums] {
              let cell = SweepCell(
                ranks: ranks, expertsPerRank: experts, batch: batch, isWeak: isWeak, promptLength: prompt,
                combineFormat: format)
              names.insert(cell.name)
              count += 1
              #expect(!cell.name.contains("/") && cell.words.contains("batch \(batch)"))
            }
          }
        }
      }
    }
    #expect(names.count == count)
  }

  @Test func aFolderWithOtherSettingsIsNotContinued() throws {
    try withTemporaryFolder { folder in
      func runner(_ settings: JSONValue) -> SweepRunner {
        SweepRunner(
          folder: folder.file("sweep"), settings: settings, program: "/dev/null/martinet", launcher: [], options: [],
          model: nil, shape: nil)
      }
      let sweep = runner(["batch": 8])
      try sweep.prepare()
      try sweep.prepare()
      let error = #expect(throws: SweepError.self) { try runner(["batch": 9]).prepare() }
      #expect("\(try #require(error))".contains("other settings"))
      // A report that is not whole, or of other ranks, is none.
      let cell = SweepCell(ranks: 2, expertsPerRank: nil, batch: 8, isWeak: false, promptLength: 16)
      for text in ["", "{", "{}", "[1]"] {
        try sweep.write(text, to: folder.file("sweep/cells/\(cell.name).json"))
        #expect(sweep.result(cell) == nil, "\(text)")
      }
    }
  }
}
