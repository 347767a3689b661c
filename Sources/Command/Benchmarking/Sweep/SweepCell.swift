import ExpertParallelism
import Reports

/// One run that a sweep asks for.
package struct SweepCell: Equatable {
  package var ranks: Int
  package var expertsPerRank: Int?
  package var batch: Int
  package var isWeak: Bool
  package var promptLength: Int
  package var combineFormat = WireFormat.Sums.float32

  package init(
    ranks: Int, expertsPerRank: Int?, batch: Int, isWeak: Bool, promptLength: Int,
    combineFormat: WireFormat.Sums = .float32
  ) {
    (self.ranks, self.expertsPerRank, self.batch, self.isWeak) = (ranks, expertsPerRank, batch, isWeak)
    (self.promptLength, self.combineFormat) = (promptLength, combineFormat)
  }

  /// The name of its files.
  package var name: String {
    (expertsPerRank.map { "experts\($0)-" } ?? "")
      + "ranks\(ranks)-batch\(batch)\(isWeak ? "weak" : "")-prompt\(promptLength)"
      + (combineFormat == .float32 ? "" : "-\(combineFormat.rawValue)")
  }

  package var words: String {
    """
    \(Figures.count(ranks, "rank")), \(expertsPerRank.map { "\($0) experts a rank, " } ?? "")batch \(batch), \
    prompts of \(promptLength)\(combineFormat == .float32 ? "" : ", sums in \(combineFormat.rawValue)")
    """
  }
}
