"""Knowledge for stage 1: PubMed -> passages -> cited claims -> checks -> physicians -> a published corpus (section 2.1)."""
