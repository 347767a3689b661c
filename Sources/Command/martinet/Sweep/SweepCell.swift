import ExpertParallelism

/// One run that a sweep asks for.
struct SweepCell: Equatable {
  var ranks: Int
  var expertsPerRank: Int?
  var batch: Int
  var isWeak: Bool
  var promptLength: Int
  var combineFormat = WireFormat.Sums.float32

  /// The name of its files.
  var name: String {
    (expertsPerRank.map { "experts\($0)-" } ?? "")
      + "ranks\(ranks)-batch\(batch)\(isWeak ? "weak" : "")-prompt\(promptLength)"
      + (combineFormat == .float32 ? "" : "-\(combineFormat.rawValue)")
  }

  var words: String {
    "\(Figures.count(ranks, "rank")), \(expertsPerRank.map { "\($0) experts a rank, " } ?? "")batch \(batch), prompts of \(promptLength)\(combineFormat == .float32 ? "" : ", sums in \(combineFormat.rawValue)")"
  }
}
